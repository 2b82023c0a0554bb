#!/usr/bin/env bash
# `make bench`, `bench-large`, `bench-migration`, `bench-load`: wrk for orders, PostgreSQL's programs and the release build, then
# the driver: the first argument says what is measured (orders, migration, load), the others are the driver's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=postgres/place.sh
. "$here/postgres/place.sh"
cd "$root"

if [[ $1 == orders ]] && ! command -v wrk >/dev/null; then
  [[ $EUID -eq 0 ]] || fail "wrk, which makes the load, is missing; type: sudo apt-get install wrk"
  apt_update
  apt_install wrk
fi
need setpriv "it is in the package util-linux"
need_cargo
programs=$("$here/postgres/binaries.sh")
[[ $1 != orders || -x $programs/pgbench ]] ||
  fail "pgbench is not beside PostgreSQL's server programs in $programs; install it with them"

target=${CARGO_TARGET_DIR:-$root/target}
cargo build --release --locked --target-dir "$target" -p database-migration -p database-load -p order-food -p order-food-bench
exec "$target/release/bench" "$1" --programs "$programs" --data "$root/database-load/data" "${@:2}"
