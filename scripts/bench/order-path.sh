#!/usr/bin/env bash
# `make bench` and `make bench-large`: wrk, PostgreSQL's programs and the release build, then the driver; arguments are the driver's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../postgres/place.sh
. "$here/../postgres/place.sh"
cd "$root"

install_wrk() {
  local missing="wrk, which makes the load, is missing; type: sudo apt-get install wrk"
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    fail "$missing"
  fi
  echo "Installing the package wrk." >&2
  apt-get -qq update || echo "apt-get update failed; trying with the package lists at hand" >&2
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends wrk >/dev/null || fail "$missing"
}

command -v wrk >/dev/null || install_wrk
command -v setpriv >/dev/null || fail "setpriv is missing; it is in the package util-linux"
command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs, then open a new terminal"
programs=$("$here/../postgres/binaries.sh")
[[ -x $programs/pgbench ]] || fail "pgbench is not beside PostgreSQL's server programs in $programs; install it with them"

target=${CARGO_TARGET_DIR:-$root/target}
cargo build --release --locked --target-dir "$target" -p database-migration -p database-load -p order-food -p order-food-bench
exec "$target/release/bench" --programs "$programs" --data "$root/database-load/data" "$@"
