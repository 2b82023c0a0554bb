# What images say about the sources they are made of; to be sourced. The environment goes first, so that a build without git
# can say it, too.
# shellcheck shell=bash
images_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

# fail TEXT: ends with the line that errors have everywhere.
fail() {
  echo "error: $1" >&2
  exit 1
}

# The address people clone from, without what a user may have put into it to log in; nothing for a path.
clone_address() {
  local address
  address=$(git -C "$images_root" config --get remote.origin.url 2>/dev/null) || return 0
  case $address in
    http://* | https://* | ssh://*) sed -E 's#//[^/@]*@#//#' <<<"$address" ;;
    *@*:*) sed -E 's#^[^@]*@([^:]*):#https://\1/#' <<<"$address" ;;
  esac
}

# The version that a service's chart deploys; before there is a chart, that of the crates.
app_version() {
  local chart=$images_root/charts/$1/Chart.yaml
  if [[ -e $chart ]]; then
    sed -nE 's/^appVersion: *"?([^" ]+)"?.*/\1/p' "$chart"
  else
    sed -nE '/^\[workspace\.package\]/,/^$/s/^version = "(.*)"/\1/p' "$images_root/Cargo.toml"
  fi
}

if git -C "$images_root" rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
  REVISION=${REVISION:-$(git -C "$images_root" describe --always --exclude='*' --abbrev=12 --dirty)}
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$images_root" log -1 --format=%ct)}
  SOURCE=${SOURCE:-$(clone_address)}
fi
export REVISION=${REVISION:-} SOURCE=${SOURCE:-} SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-}
