#!/usr/bin/env bash
# `make bench-migration`: how long database-migration takes on a throw-away PostgreSQL with default durability; RUNS=20 of each.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../postgres/place.sh
. "$here/../postgres/place.sh"
cd "$root"

runs=${RUNS:-20}
[[ $runs =~ ^[1-9][0-9]{0,3}$ ]] || fail "RUNS: expected 1 to 9999"
command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs, then open a new terminal"
programs=$("$here/../postgres/binaries.sh")
target=${CARGO_TARGET_DIR:-$root/target}
cargo build --release --locked --target-dir "$target" -p database-migration
binary=$target/release/database-migration

# shellcheck source=server.sh
. "$here/server.sh"

# measure DATABASE ARGUMENTS…: prints the microseconds that one run takes, from its start to its end.
measure() {
  local since end database=$1
  shift
  since=${EPOCHREALTIME/[.,]/}
  DATABASE_URL=$(url "$database") "$binary" "$@" >"$scratch/output" 2>&1 || fail "database-migration $* failed:
$(tail -n 5 "$scratch/output")"
  end=${EPOCHREALTIME/[.,]/}
  echo "$((end - since))"
}

# row TITLE WANTED_MS: reads microseconds, one a line.
row() {
  sort -n | awk -v title="$1" -v wanted="$2" '
    { took[NR] = $1 / 1000 }
    END {
      median = NR % 2 ? took[(NR + 1) / 2] : (took[NR / 2] + took[NR / 2 + 1]) / 2
      printf "%-42s %5d %9.1f %9.1f %9.1f %10s  %s\n", title, NR, took[1], median, took[NR], "< " wanted,
        median < wanted ? "yes" : "NO"
    }'
}

nothing_to_do() {
  for ((run = 1; run <= runs; run++)); do measure migrated up; done
}

empty_to_newest() {
  for ((run = 1; run <= runs; run++)); do measure "empty_$run" up; done
}

newest() {
  DATABASE_URL=$(url migrated) "$binary" status --json | sed -E 's/.*"newest":([0-9]+).*/\1/'
}

make_server
{ echo "CREATE DATABASE migrated" && printf 'CREATE DATABASE empty_%d\n' $(seq "$runs"); } |
  as_owner "$programs/postgres" --single -D "$scratch/data" -c exit_on_error=true postgres >/dev/null 2>&1 ||
  fail "cannot create the databases"
start_server
measure migrated up >/dev/null
printf '\n%s on %s, durability as by default, %s processors\n\n' "$("$binary" --version)" "$("$programs/postgres" --version)" "$(nproc)"
printf '%-42s %5s %9s %9s %9s %10s  %s\n' 'wall time in ms' runs least median most wanted met
nothing_to_do | row 'nothing to do' 50
empty_to_newest | row "empty database to version $(newest)" 1000
