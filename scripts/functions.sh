# What scripts share; to be sourced.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
services=(database-migration database-load order-food)

# fail TEXT…: ends with the line that errors have everywhere.
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# need TOOL HINT…: ends here when the tool is missing.
need() {
  command -v "$1" >/dev/null || fail "$1 is missing; ${*:2}"
}

need_cargo() {
  need cargo "install Rust from https://rustup.rs, then open a new terminal"
}

need_docker() {
  docker info >/dev/null 2>&1 || fail "docker: no daemon answers; type: sudo systemctl start docker"
}

milliseconds() {
  echo "$((${EPOCHREALTIME/[.,]/} / 1000))"
}

# listening PORT: whether something on this machine listens there.
listening() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# as_root COMMAND…: asks nothing.
as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# apt WORD…: apt-get; only errors are shown.
apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@" >/dev/null
}

apt_update() {
  apt update || echo "apt-get update failed; trying with the package lists at hand" >&2
}

# apt_install PACKAGE
apt_install() {
  apt install --no-install-recommends "$1" || fail "cannot install the package $1; type: sudo apt-get install $1"
}

# ensure PROGRAM:PACKAGE…: installs the packages whose programs are missing.
ensure() {
  local program
  for program in "$@"; do
    type -P "${program%:*}" >/dev/null || { apt_update && apt_install "${program#*:}"; }
  done
}

# example_order PORT: the curl command that places the sample order; the README shows exactly this.
example_order() {
  cat <<EXAMPLE
curl -sS http://localhost:$1/api/order \\
  -H 'api_key: apitest' \\
  -H 'Content-Type: application/json' \\
  -d '{"items":[{"productId":"1","quantity":2},{"productId":"3","quantity":1}],"couponCode":"SAVE10"}'
EXAMPLE
}
