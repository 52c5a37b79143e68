# Runs the parts of the suite: everything but test/e2e in parallel, then test/e2e one file at a time.
# Sourced by scripts/test after scripts/lib/setup.sh. Each part leaves one TAP file in the given folder.

suite_user=${SBX_TEST_USER:-sbx-test}

# Runs the compiled tests of the files on stdin (NUL between them). Arguments: TAP file to write, files at a time.
run_tests() {
  local files seconds=1800
  [ "${SBX_SOAK:-}" != 1 ] || seconds=86400
  mapfile -d '' -t files
  [ "${#files[@]}" != 0 ] || fail 'There are no test files.'
  node scripts/lib/run-tests.mjs "$2" "$seconds" "$1" "${files[@]}" </dev/null 2>&1
}

test_files() { find "$@" \( -name '*.test.ts' -o -name '*.test.tsx' \) -print0 2>/dev/null | LC_ALL=C sort -z; }

# All parts, whatever happens to one of them. Returns the last exit code that was not 0.
# End-to-end tests run on a small host of their own (test/support/world.sh), so that they neither see nor disturb this one.
run_suite() {
  local results=$1 status=0
  export SBX_TEST_SHARED_HOME="${SBX_TEST_SHARED_HOME:-${TMPDIR:-/tmp}/sbx-e2e-$(id -u)}"
  export SBX_TEST_CACHE="$SBX_TEST_SHARED_HOME/cache"
  say 'Building the guest image for the tests, where its inputs changed.'
  mkdir -p -m 700 -- "$SBX_TEST_SHARED_HOME"
  node dist/sbx.cjs --home "$SBX_TEST_SHARED_HOME" image build tiny || return
  say 'Compiling the tests.'
  node scripts/lib/compile-tests.mjs || return
  say 'Testing everything but the end-to-end tests.'
  test_files test -path test/e2e -prune -o | run_tests "$results/1-tests.tap" "$(nproc)" || status=$?
  say "Testing end to end, with real guests, as $(id -un)."
  /bin/sh test/support/world.sh "$(id -u)" scripts/lib/e2e "$results/2-e2e-$(id -un).tap" </dev/null || status=$?
  if [ "$(id -u)" = 0 ]; then
    say "Testing end to end, with real guests, as the ordinary user $suite_user."
    run_as_user "$results/3-e2e-$suite_user.tap" || status=$?
  fi
  return "$status"
}

# The end-to-end tests once more, as an ordinary user, on a copy of the checkout that this user may read and write.
run_as_user() {
  local out=$1 status=0 folder world=$PWD/test/support/world.sh
  if ! id "$suite_user" >/dev/null 2>&1; then
    say "Adding the system user $suite_user for it."
    useradd --system --no-create-home --home-dir /nonexistent --shell /bin/sh "$suite_user"
  fi
  local drop=(setpriv "--reuid=$suite_user" "--regid=$(id -g "$suite_user")" --init-groups --inh-caps=-all)
  folder=$(mktemp -d /tmp/sbx-user.XXXXXX)
  copy_checkout "$folder"
  chown -R -- "$suite_user:" "$folder"
  if ! in_copy "$folder" "${drop[@]}" node --version >/dev/null; then
    say "$suite_user cannot run $(command -v node): install Node.js where every user can."
    status=1
  elif ! in_copy "$folder" "${drop[@]}" node dist/sbx.cjs --home "$folder/home" image build tiny; then
    status=1
  elif ! in_copy "$folder" "${drop[@]}" node scripts/lib/compile-tests.mjs; then
    status=1
  else
    in_copy "$folder" /bin/sh "$world" "$(id -u "$suite_user")" scripts/lib/e2e "$folder/e2e.tap" || status=$?
    cp -- "$folder/e2e.tap" "$out" || status=1
  fi
  rm -rf -- "$folder"
  return "$status"
}

# What the end-to-end tests need. node_modules is linked where the user can read it (`drop` of run_as_user), else copied.
copy_checkout() {
  local folder=$1
  mkdir -- "$folder/sbx" "$folder/home"
  tar -cf - --exclude=./node_modules --exclude=./.git --exclude=./.tap . | tar -xf - -C "$folder/sbx"
  if "${drop[@]}" test -r "$PWD/node_modules/tap/package.json"; then
    ln -s -- "$PWD/node_modules" "$folder/sbx/node_modules"
  else
    cp -a -- node_modules "$folder/sbx/"
  fi
}

# Runs a command in the copy with nothing of root's environment but PATH and CI.
in_copy() {
  local folder=$1
  shift
  chmod 755 -- "$folder"
  (
    cd -- "$folder/sbx"
    exec env -i "PATH=$PATH" "HOME=$folder/home" "USER=$suite_user" "LOGNAME=$suite_user" "LANG=C.UTF-8" \
      "SBX_TEST_SHARED_HOME=$folder/home" ${CI:+"CI=$CI"} "$@" </dev/null
  )
}
