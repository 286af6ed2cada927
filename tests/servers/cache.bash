# Where the servers of the tests come from and where they are kept. Sourced by the scripts beside it.
#
# Every entry of the cache has its version in its name. It is made in a folder of its own and renamed into place when it is
# complete, so that an interrupted download leaves nothing that looks finished.
set -euo pipefail
shopt -s inherit_errexit

# shellcheck disable=SC2034 # for the scripts
servers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${READSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/readscope}

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

need_root() {
  [[ $(id -u) == 0 ]] ||
    die "the real servers need root (chroot, network namespaces); run as root, or \`tests/run unit\` for what needs nothing"
}

# recipe FILE...: eight characters that change when the way an entry is made changes.
recipe() { cat "$@" | sha256sum | cut -c1-8; }

# entry NAME MAKE: prints the path of the cache's entry NAME; `MAKE FOLDER` fills it when it is missing. The last command
# of a script: in a condition, bash would not stop MAKE at its first error.
entry() {
  # Not local, because the trap needs them too.
  name=$1 make=$2
  if [[ ! -d $cache/$name ]]; then
    mkdir -p "$cache"
    exec 9>"$cache/.$name.lock"
    flock 9
    if [[ ! -d $cache/$name ]]; then
      # With the lock held, every partial entry of this name was left by a run that died.
      rm -rf "$cache/.$name.partial."*
      partial=$(mktemp -d "$cache/.$name.partial.XXXXXX")
      chmod 755 "$partial"
      trap 'tail -n 30 "$partial.log" >&2; rm -rf "$partial" "$partial.log"; say "error: $name could not be made"' EXIT
      say "making $name, once, in the cache"
      ("$make" "$partial") >"$partial.log" 2>&1 9>&-
      mv -T "$partial" "$cache/$name"
      trap - EXIT
      rm -f "$partial.log"
    fi
    exec 9>&-
  fi
  printf '%s\n' "$cache/$name"
}

# packages PROGRAM=PACKAGE...: installs the packages whose program is missing.
packages() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "this machine has no apt-get; install what provides: $*"
  [[ $(id -u) == 0 ]] || die "missing: run \`apt-get install ${missing[*]}\` as root"
  say "installing ${missing[*]}"
  mkdir -p "$cache"
  {
    flock 8
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
      -o DPkg::Lock::Timeout=300 "${missing[@]}" >&2
  } 8>"$cache/.apt.lock" || die "apt-get could not install ${missing[*]}; install them by hand and run again"
}

# The machine's own Debian mirror, which also has the newer suites.
mirror() {
  # shellcheck disable=SC2016 # apt-get expands it
  local list=(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian')
  # The origin is known only once the lists have been read.
  [[ -n $("${list[@]}") ]] || apt-get -qq update >&2
  "${list[@]}" | grep -m 1 . || die "apt names no Debian mirror; run this on Debian 12 or later"
}
