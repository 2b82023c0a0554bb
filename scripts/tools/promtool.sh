#!/usr/bin/env bash
# Prints the path of promtool, beside which lies prometheus. Where they are missing, unpacks Debian's package into .tools/, which
# installs nothing and starts no server.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../postgres/place.sh
. "$here/../postgres/place.sh"

# Those of the PATH first, since somebody put them there.
find_programs() {
  local folder
  for folder in "$(dirname "$(command -v promtool || echo /nowhere/promtool)")" "$root"/.tools/prometheus-*/usr/bin; do
    [[ -x $folder/promtool && -x $folder/prometheus ]] || continue
    echo "$folder/promtool"
    return 0
  done
  return 1
}

unpack_package() {
  local package version
  if ! command -v apt-get >/dev/null; then
    fail "promtool and prometheus are missing; install Prometheus (on a Mac: brew install prometheus)"
  fi
  echo "No promtool here: unpacking Debian's package prometheus into .tools/." >&2
  install -d "$root/.tools"
  scratch=$(mktemp -d "$root/.tools/new.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  download || { update && download; } || {
    tail -n 5 "$scratch/log" >&2
    fail "cannot download the package prometheus; type: sudo apt-get update && sudo apt-get install prometheus"
  }
  package=$(echo "$scratch"/*.deb)
  version=$(dpkg-deb --field "$package" Version)
  dpkg-deb --extract "$package" "$scratch/unpacked"
  # Another process may have been faster.
  mv -T "$scratch/unpacked" "$root/.tools/prometheus-$version" 2>/dev/null || find_programs >/dev/null
}

download() {
  (cd "$scratch" && apt-get -qq download prometheus) >>"$scratch/log" 2>&1
}

# The package lists of a fresh machine are empty.
update() {
  local as_root=()
  [[ $EUID -eq 0 ]] || as_root=(sudo -n)
  "${as_root[@]}" apt-get -qq update >>"$scratch/log" 2>&1
}

find_programs || {
  unpack_package
  find_programs || fail "the package prometheus brought no promtool"
}
