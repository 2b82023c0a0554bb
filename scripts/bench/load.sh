#!/usr/bin/env bash
# `make bench-load`: how long database-load takes on a throw-away PostgreSQL with default durability; RUNS=20 of each. OUT is the
# folder in which load.json is left.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../postgres/place.sh
. "$here/../postgres/place.sh"
cd "$root"

runs=${RUNS:-20}
[[ $runs =~ ^[1-9][0-9]{0,2}$ ]] || fail "RUNS: expected 1 to 999"
command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs, then open a new terminal"
programs=$("$here/../postgres/binaries.sh")
psql=$(command -v "$programs/psql" || command -v psql) || fail "psql is missing; type: sudo apt-get install postgresql-client"
target=${CARGO_TARGET_DIR:-$root/target}
cargo build --release --locked --target-dir "$target" -p database-migration -p database-load
out=${OUT:-$target/bench}
install -d "$out"

unset PROFILES ENVIRONMENT API_KEY_HASH_KEY
# shellcheck source=server.sh
. "$here/server.sh"

# sql DATABASE STATEMENT
sql() {
  "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(url "$1")" -c "$2"
}

# measure DATABASE ARGUMENTS…: prints the microseconds that one run takes, from its start to its end.
measure() {
  local since end database=$1
  shift
  since=${EPOCHREALTIME/[.,]/}
  DATABASE_URL=$(url "$database") "$target/release/database-load" "$@" >"$scratch/output" 2>&1 ||
    fail "database-load $* failed:
$(tail -n 5 "$scratch/output")"
  end=${EPOCHREALTIME/[.,]/}
  echo "$((end - since))"
}

# row NAME TITLE WANTED_MS: reads microseconds, one a line; a line of the table, and one of $scratch/rows.
row() {
  sort -n | awk -v name="$1" -v title="$2" -v wanted="$3" -v rows="$scratch/rows" '
    { took[NR] = $1 / 1000 }
    END {
      median = NR % 2 ? took[(NR + 1) / 2] : (took[NR / 2] + took[NR / 2 + 1]) / 2
      met = median < wanted
      printf "%-42s %5d %9.1f %9.1f %9.1f %10s  %s\n", title, NR, took[1], median, took[NR], "< " wanted, met ? "yes" : "NO"
      printf "\"%s\": {\"runs\": %d, \"least_ms\": %.1f, \"median_ms\": %.1f, \"most_ms\": %.1f, \"wanted_ms\": %d, \"met\": %s}\n", \
        name, NR, took[1], median, took[NR], wanted, met ? "true" : "false" >>rows
    }'
}

first_loads() {
  for ((run = 1; run <= runs; run++)); do
    sql postgres "CREATE DATABASE first_$run TEMPLATE migrated"
    measure "first_$run" -p "$scratch/sources/demo.toml"
    [[ $run -eq 1 ]] || sql postgres "DROP DATABASE first_$run"
  done
}

unchanged() {
  for ((run = 1; run <= runs; run++)); do measure first_1 -p "$scratch/sources/demo.toml"; done
}

# Where the rows of the catalogue lie and who wrote them: one that is written again moves.
places() {
  sql first_1 "SELECT id, ctid, xmin FROM products ORDER BY id"
}

changed_prices() {
  local products=$scratch/sources/demo/products.csv
  for ((run = 1; run <= runs; run++)); do
    places >"$scratch/before"
    # The third field of the first product, which is one more each time.
    awk -v run="$run" 'BEGIN { FS = OFS = "," } NR == 2 { $3 = "9" run ".99" } { print }' "$products" >"$products.new"
    mv "$products.new" "$products"
    measure first_1 -p "$scratch/sources/demo.toml"
    places | diff "$scratch/before" - | grep -c '^>' >>"$scratch/written" || true
  done
}

make_server
start_server
sql postgres "CREATE DATABASE migrated"
DATABASE_URL=$(url migrated) "$target/release/database-migration" up >/dev/null 2>&1 || fail "the migration failed"
cp -R "$root/database-load/data" "$scratch/sources"
head -n 1 "$scratch/sources/demo/products.csv" | grep -q '^id,name,price,' || fail "the third column of demo/products.csv is not the price"

version=$("$target/release/database-load" --version)
server=$("$programs/postgres" --version)
printf '\n%s on %s, durability as by default, %s processors\n\n' "$version" "$server" "$(nproc)"
printf '%-42s %5s %9s %9s %9s %10s  %s\n' 'wall time in ms' runs least median most wanted met
first_loads | row first_load 'first load of demo' 2000
unchanged | row unchanged 'unchanged demo' 50
changed_prices | row changed_price 'one changed price in demo' 500
written=$(sort -n "$scratch/written" | tail -n 1)
printf '\nproduct rows written by a changed price: %s\n' "$written"
{
  printf '{"version": "%s", "server": "%s", "processors": %d, "product_rows_written": %d,\n' "$version" "$server" "$(nproc)" "$written"
  paste -s -d, "$scratch/rows" | sed 's/,"/,\n"/g'
  printf '}\n'
} >"$out/load.json"
printf 'the same as JSON: %s\n' "$out/load.json"
