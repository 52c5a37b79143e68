# Runs tap over the parts of the suite: everything but test/e2e in parallel, then test/e2e one file at a time.
# Sourced by scripts/test after scripts/lib/setup.sh. Each part leaves one TAP file in the given folder.

suite_user=${SBX_TEST_USER:-sbx-test}

# tap over the files on stdin (NUL between them). Arguments: TAP file to write, then further options of tap.
run_tap() {
  local out=$1
  shift
  local files
  mapfile -d '' -t files
  if [ "${#files[@]}" = 0 ]; then
    say "  no test files"
    printf 'TAP version 14\n1..0 # no test files\n# { total: 0, pass: 0, fail: 0 }\n' >"$out"
    return
  fi
  node_modules/.bin/tap --reporter=terse --output-file="$out" "$@" "${files[@]}" </dev/null 2>&1
}

test_files() { find "$@" \( -name '*.test.ts' -o -name '*.test.tsx' \) -print0 2>/dev/null | LC_ALL=C sort -z; }

# All parts, whatever happens to one of them. Returns tap's last exit code that was not 0.
run_suite() {
  local results=$1 status=0
  say 'Testing everything but the end-to-end tests.'
  test_files test -path test/e2e -prune -o | run_tap "$results/1-tests.tap" || status=$?
  say "Testing end to end, with real guests, as $(id -un)."
  test_files test/e2e | run_tap "$results/2-e2e-$(id -un).tap" --jobs=1 --timeout=600 || status=$?
  if [ "$(id -u)" = 0 ]; then
    say "Testing end to end, with real guests, as the ordinary user $suite_user."
    run_as_user "$results/3-e2e-$suite_user.tap" || status=$?
  fi
  return "$status"
}

# The end-to-end tests once more, as an ordinary user, on a copy of the checkout that this user may read and write.
run_as_user() {
  local out=$1 status=0 folder
  if ! id "$suite_user" >/dev/null 2>&1; then
    say "Adding the system user $suite_user for it."
    useradd --system --no-create-home --home-dir /nonexistent --shell /bin/sh "$suite_user"
  fi
  if [ -c /dev/net/tun ] && ! drop_root test -w /dev/net/tun; then
    say 'Opening /dev/net/tun to all users, as Debian and Ubuntu have it; this machine has it closed.'
    chmod 666 /dev/net/tun
  fi
  folder=$(mktemp -d /tmp/sbx-user.XXXXXX)
  copy_checkout "$folder"
  chown -R -- "$suite_user:" "$folder"
  if ! as_user "$folder" node --version >/dev/null; then
    say "$suite_user cannot run $(command -v node): install Node.js where every user can."
    status=1
  else
    as_user "$folder" scripts/lib/e2e-as-user "$folder/e2e.tap" || status=$?
    cp -- "$folder/e2e.tap" "$out" || status=1
  fi
  rm -rf -- "$folder"
  return "$status"
}

# What the end-to-end tests need. node_modules is linked where the user can read it, else copied.
copy_checkout() {
  local folder=$1
  mkdir -- "$folder/sbx" "$folder/home"
  tar -cf - --exclude=./node_modules --exclude=./.git --exclude=./.tap . | tar -xf - -C "$folder/sbx"
  if drop_root test -r "$PWD/node_modules/tap/package.json"; then
    ln -s -- "$PWD/node_modules" "$folder/sbx/node_modules"
  else
    cp -a -- node_modules "$folder/sbx/"
  fi
}

# Runs a command in the copy with nothing of root's environment but PATH and CI.
as_user() {
  local folder=$1
  shift
  chmod 755 -- "$folder"
  (
    cd -- "$folder/sbx"
    drop_root env -i "PATH=$PATH" "HOME=$folder/home" "USER=$suite_user" "LOGNAME=$suite_user" "LANG=C.UTF-8" \
      ${CI:+"CI=$CI"} "$@"
  )
}

drop_root() { setpriv --reuid="$suite_user" --regid="$(id -g "$suite_user")" --init-groups --inh-caps=-all "$@"; }
