# Shell shared by scripts/quickstart and scripts/test: what this machine must have, said before it is installed.
# Sourced by bash with `set -euo pipefail`, in the root of the checkout. Nothing here reads stdin.

# Program → Debian package. A name with a slash is a path that must exist.
setup_programs=(
  qemu-system-x86_64:qemu-system-x86
  qemu-img:qemu-utils
  slirp4netns:slirp4netns
  nft:nftables
  ip:iproute2
  ssh:openssh-client
  mke2fs:e2fsprogs
  debugfs:e2fsprogs
  tar:tar
  xz:xz-utils
  zstd:zstd
  unshare:util-linux
  nsenter:util-linux
  flock:util-linux
)
# What only the tests use.
setup_test_programs=(
  cpio:cpio
  depmod:kmod
  busybox:busybox-static
  strace:strace
  curl:curl
  ps:procps
  setpriv:util-linux
  useradd:passwd
)

setup_started=$SECONDS

say() { printf '== %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  local line
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

# Runs a command as root: as it is for root, else through sudo. CI has no terminal to ask on, so sudo must not ask there.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  if [ -t 0 ] && [ -z "${CI:-}" ]; then sudo "$@"; else sudo -n "$@" </dev/null; fi
}

# Refuses an older Node by the version that was found, and a Node without npm.
require_node() {
  local found
  found=$(command -v node) || fail 'Node.js 20.19 or newer is needed, and no "node" was found on PATH.' \
    'Debian 12 and Ubuntu 24.04 ship Node.js 18, which is too old: take a newer one from nodejs.org or your version manager.'
  local version
  version=$("$found" -p process.versions.node </dev/null)
  case $version in
    *[!0-9.]* | '') fail "\"$found\" says that its version is \"$version\", which is not a release of Node.js." ;;
  esac
  local major minor
  major=${version%%.*}
  minor=${version#*.}
  minor=${minor%%.*}
  if [ "$major" -lt 20 ] || { [ "$major" = 20 ] && [ "$minor" -lt 19 ]; }; then
    fail "Node.js 20.19 or newer is needed; \"$found\" is Node.js $version." \
      'Debian 12 and Ubuntu 24.04 ship Node.js 18: take a newer one from nodejs.org or your version manager.'
  fi
  command -v npm >/dev/null || fail "\"$found\" is Node.js $version, but there is no \"npm\" on PATH."
}

have() {
  local at
  PATH="$PATH:/usr/sbin:/sbin" at=$(PATH="$PATH:/usr/sbin:/sbin" type -P "$1") && [ -x "$at" ]
}

# Prints the packages behind the given program:package pairs that are missing, each once.
missing_packages() {
  local pair
  for pair in "$@"; do have "${pair%%:*}" || printf '%s\n' "${pair##*:}"; done | sort -u
}

# Names what is missing, then installs it. With nothing missing, no network and no root is needed.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" = 0 ]; then
    say 'All Debian packages that are needed are there.'
    return
  fi
  have apt-get || fail "These programs' packages are missing, and this is no Debian or Ubuntu: ${missing[*]}"
  if [ "$(id -u)" != 0 ] && ! have sudo; then
    fail 'Debian packages are missing, and there is neither root nor sudo to install them. As root:' \
      "apt-get install --no-install-recommends ${missing[*]}"
  fi
  say "Installing these Debian packages with apt-get: ${missing[*]}"
  local quiet=(-qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" update </dev/null
  as_root env DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" install -y --no-install-recommends "${missing[@]}" \
    </dev/null >/dev/null
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" = 0 ] || fail "apt-get ended well, but these are still missing: ${missing[*]}"
}

# Images are built from packages that apt downloads without root; it has to know them.
require_package_lists() {
  case $(LC_ALL=C apt-cache policy qemu-guest-agent 2>/dev/null || true) in
    *'Candidate: '[0-9]*) return ;;
  esac
  say 'Reading the package lists of this distribution (apt-get update), which the guest image is made from.'
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null
}

# Digest of the given files and folders, content and names.
digest_of() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1; }

# npm's packages exactly as locked. Kept when lockfile, manifest and Node's version are those of the last install.
install_node_modules() {
  local stamp=node_modules/.sbx-install want
  want="$(digest_of package.json package-lock.json) $(node -p 'process.version + process.arch')"
  if [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
    say 'npm packages are as locked.'
    return
  fi
  say 'Installing the npm packages of package-lock.json into node_modules (npm ci, about 300 MB with all tools).'
  npm ci --no-audit --no-fund --loglevel=error </dev/null
  printf '%s\n' "$want" >"$stamp"
}

# dist/, made again only when what it is made of has changed, or dist/ itself.
build_sbx() {
  local stamp=node_modules/.sbx-build inputs=(src scripts/build.mjs package.json package-lock.json tsconfig.json schemas)
  if [ -f dist/sbx.cjs ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$(digest_of "${inputs[@]}" dist)" ]; then
    say 'sbx is built and up to date.'
    return
  fi
  say 'Building sbx into dist/ (npm run build).'
  npm run --silent build </dev/null
  digest_of "${inputs[@]}" dist >"$stamp"
}
