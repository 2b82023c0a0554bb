# What images say about the sources they are made of; to be sourced. The environment goes first, so that a build without git
# can say it, too.
# shellcheck shell=bash
# shellcheck source=../functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/../functions.sh"

# The address people clone from, without what a user may have put into it to log in; nothing for a path.
clone_address() {
  local address
  address=$(git -C "$root" config --get remote.origin.url 2>/dev/null) || return 0
  case $address in
    http://* | https://* | ssh://*) sed -E 's#//[^/@]*@#//#' <<<"$address" ;;
    *@*:*) sed -E 's#^[^@]*@([^:]*):#https://\1/#' <<<"$address" ;;
  esac
}

# The version that a service's chart deploys.
app_version() {
  sed -nE 's/^appVersion: *"?([^" ]+)"?.*/\1/p' "$root/charts/$1/Chart.yaml"
}

if git -C "$root" rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
  REVISION=${REVISION:-$(git -C "$root" describe --always --exclude='*' --abbrev=12 --dirty)}
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
  SOURCE=${SOURCE:-$(clone_address)}
fi
export REVISION=${REVISION:-} SOURCE=${SOURCE:-} SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-}
