#!/usr/bin/env bash
# Runs the demo, then configures the tests, on a bare Debian: a root that holds debootstrap's minimal system and this source
# tree, so that a package that was never declared is missing there. As root; mounts and processes end with the script.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
TREE=/moesaic  # the source tree inside the bare root
archives=''
ccache=''
steps=(demo configure)

usage() {
  cat <<'USAGE'
usage: scripts/fresh_machine.sh [--configure-only] [--archives FOLDER] [--ccache FOLDER]
  --configure-only    installs packages and configures both builds (release and tests), compiles nothing
  --archives FOLDER   lends downloaded packages to the bare root, and keeps those that it downloads
  --ccache FOLDER     lends a compiler cache; without it everything is compiled
The root lies in a temporary folder under TMPDIR (or /var/tmp) and is removed at the end.
Exit codes: 0 passed, 1 failed, 2 bad usage, 77 not possible here (the reason is printed).
USAGE
}

cannot() {
  echo "skipped: $*"
  exit 77
}

# A folder that the bare root shall see; made when it is not there.
lend() {  # FOLDER PLACE_IN_ROOT
  if [[ -z $1 ]]; then return; fi
  mkdir -p "$1" "$fresh$2"
  mount --bind "$1" "$fresh$2"
}

# The first repository of Debian itself that this machine uses.
mirror() {
  local found
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1)
  echo "${found:-http://deb.debian.org/debian}"
}

bare_system() {
  local codename
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  echo "== the minimal system of Debian $codename"
  debootstrap --variant=minbase ${archives:+"--cache-dir=$archives"} "$codename" "$fresh" "$(mirror)" >"$fresh.log" 2>&1 ||
    { tail -n 20 "$fresh.log" "$fresh/debootstrap/debootstrap.log" 2>/dev/null; return 1; }
  apt-config dump | grep -E '^Acquire::(http|https)' >"$fresh/etc/apt/apt.conf.d/90machine" || true  # proxies
  cp /etc/resolv.conf /etc/hosts "$fresh/etc/"
  # The files as they are in the working tree, committed or not, without what git ignores.
  mkdir "$fresh$TREE"
  git -C "$ROOT" ls-files -z --cached --others --exclude-standard --deduplicate |
    tar -C "$ROOT" --null --files-from=- --ignore-failed-read -cf - 2>/dev/null | tar -C "$fresh$TREE" -xf -
}

in_root() {
  chroot "$fresh" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

# Names of what CMake or bash did not find, one a line.
missing_things() {  # LOG
  sed -nE 's/.*moesaic: ([A-Za-z0-9.]+) not found.*/\1/p
    s/.*Could (not find|NOT find) (a package configuration file provided by )?"?([A-Za-z0-9]+)"?.*/\3/p
    s/.*unable to find a build program corresponding to "([A-Za-z]+)".*/\1/p
    s/.*Find([A-Za-z0-9]+)[.]cmake:[0-9]+ \(try_compile\).*/\1/p
    s/.*No CMAKE_CXX_COMPILER could be found.*/g++/p
    s/.*: ([A-Za-z0-9+_.-]+): command not found.*/\1/p
    s/.*env: .?([A-Za-z0-9+_.-]+).?: No such file or directory.*/\1/p' "$1" | sort -u
}

# Debian's packages whose name may hold the thing: exactly, or with what development and script packages add to it.
packages_named() {  # THING
  local word
  word=$(tr '[:upper:]' '[:lower:]' <<<"$1" | sed 's/+/[+]/g; s/_/./g')
  {
    in_root apt-cache search --names-only "^(lib|libjs-)?$word(-dev|-build)?\$"
    in_root apt-cache search --names-only "^(lib)?${word%test}.*-dev\$"
  } | cut -d ' ' -f 1 | awk '!seen[$0]++' | head -n 5 | paste -sd ' '
}

name_packages() {  # LOG; fails when something was missing
  local thing found nothing=0
  while read -r thing; do
    found=$(packages_named "$thing")
    echo "missing in the bare root: $thing; declare its package in scripts/packages.txt: ${found:-no package has that name}"
    nothing=1
  done < <(missing_things "$1")
  return "$nothing"
}

one_step() {  # STEP
  local status=0
  echo "== ./run $1 in the bare root"
  in_root bash -c "cd $TREE && ./run $1" 2>&1 | tee "$fresh.log" || status=$?
  # What is declared is installed, so even a library that is optional elsewhere must be found here.
  name_packages "$fresh.log" || status=1
  return "$status"
}

inside() {  # in namespaces of its own
  local step started
  bare_system
  mount -t proc proc "$fresh/proc"
  mount --rbind /sys "$fresh/sys"
  mount --rbind /dev "$fresh/dev"
  lend "$archives" /var/cache/apt/archives
  lend "$ccache" /root/.cache/ccache
  for step in "${steps[@]}"; do
    started=$SECONDS
    one_step "$step" || { echo "./run $step FAILED in the bare root"; return 1; }
    echo "== ./run $step took $((SECONDS - started)) s in the bare root"
  done
}

while (($#)); do
  case $1 in
    --configure-only) steps=(configure) ;;
    --archives | --ccache)
      (($# >= 2)) || { usage >&2; exit 2; }
      mkdir -p "$2"
      declare "${1#--}=$(readlink -f "$2")"
      shift
      ;;
    --in-namespace) fresh=$2; shift ;;  # by this script itself
    *) usage; [[ $1 == --help ]] && exit 0; exit 2 ;;
  esac
  shift
done
if [[ -n ${fresh:-} ]]; then
  inside
  exit
fi
((EUID == 0)) || cannot "a bare root needs root (chroot, mount)"
command -v debootstrap >/dev/null || cannot "debootstrap not found; apt-get install debootstrap"
space=(unshare --mount --propagation private --pid --fork --kill-child)
"${space[@]}" true 2>/dev/null || cannot "this machine allows no mount namespaces (unshare)"
fresh=$(mktemp -d "${TMPDIR:-/var/tmp}/moesaic-fresh.XXXXXX")
trap 'rm -rf --one-file-system "$fresh" "$fresh.log"' EXIT
own=(--in-namespace "$fresh" ${archives:+--archives "$archives"} ${ccache:+--ccache "$ccache"})
[[ ${steps[0]} == demo ]] || own+=(--configure-only)
"${space[@]}" "$0" "${own[@]}"
