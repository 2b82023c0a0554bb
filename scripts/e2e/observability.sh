#!/usr/bin/env bash
# `make e2e-observability`: a real Prometheus scrapes the running system with the rules of the chart; faults are made and mended, and
# the alerts must fire and clear. In the rules, and nowhere else, a minute lasts two seconds (MINUTE=…): `for: 2m` becomes 4s, `[1h]`
# 120s; thresholds stay as they are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../postgres/place.sh
. "$here/../postgres/place.sh"
cd "$root"

minute=${MINUTE:-2}
patience=$((minute * 60 + 60)) # seconds within which an alert must fire or clear
rules=$root/charts/order-food/files/rules.yaml

for program in cargo curl perl; do
  command -v "$program" >/dev/null || fail "$program is missing; type: sudo apt-get install $program"
done
[[ $minute =~ ^[1-9][0-9]?$ ]] || fail "MINUTE: expected 1 to 99 seconds"
programs=$("$here/../postgres/binaries.sh")
promtool=$("$here/../tools.sh" promtool)
target=${CARGO_TARGET_DIR:-$root/target}
cargo build --locked --target-dir "$target" -p database-migration -p database-load -p order-food
binaries=$target/debug

# What the user has set for other servers must not reach this system.
unset "${!PG@}" "${!DB_@}" "${!OTEL_@}" "${!ROLE_@}" DATABASE_URL_FILE TRACEPARENT POD_UID
export LC_ALL=C JAEGER_ENDPOINT=none DATA_DIR=$root/database-load/data

scratch=$(mktemp -d "${TMPDIR:-/tmp}/e2e-observability.XXXXXX")
[[ $EUID -ne 0 ]] || chown postgres: "$scratch"
children=()
clean_up() {
  local status=$?
  trap - EXIT
  [[ $status -eq 0 ]] || tail -n 20 "$scratch"/*.log >&2 || true
  [[ ${#children[@]} -eq 0 ]] || kill "${children[@]}" 2>/dev/null || true
  as_owner "$programs/pg_ctl" -D "$scratch/data" -m immediate -w stop >/dev/null 2>&1 || true
  wait
  rm -rf "$scratch"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)) && listening "$port"; do :; done
  echo "$port"
}

database() {
  as_owner "$programs/pg_ctl" -D "$scratch/data" -l "$scratch/postgres.log" -w -t 60 \
    -o "-p $database_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" "$@" >/dev/null 2>&1
}

start_order_food() {
  # A refresh every second is one a minute.
  PORT=$port BIND_ADDRESS=127.0.0.1 REFRESH_INTERVAL=1 DRAIN_WAIT=0 "$binaries/order-food" >>"$scratch/order-food.log" 2>&1 &
  order_food=$!
  children+=("$order_food")
  until curl -fs "http://127.0.0.1:$port/ready" >/dev/null; do
    kill -0 "$order_food" || fail "order-food has ended"
    sleep 0.1
  done
}

# Orders without a pause, whatever comes back.
order_on() {
  while :; do
    curl -s -o /dev/null -m 10 -H 'Content-Type: application/json' -H 'api_key: apitest' \
      -d '{"items":[{"productId":"1","quantity":1}]}' "http://127.0.0.1:$port/api/order" || sleep 0.1
  done
}

# ask EXPRESSION: how many series it has.
ask() {
  "$promtool" query instant "http://127.0.0.1:$prometheus_port" "$1" | grep -c '=>' || true
}

# firing ALERT: how many alerts of this name fire.
firing() {
  ask "ALERTS{alertname=~\"$1\",alertstate=\"firing\"}"
}

# expect ALERT fires|clears SINCE: waits, and prints how long it took.
expect() {
  local took
  while :; do
    took=$(($(milliseconds) - $3))
    case $2:$(firing "$1") in
      fires:0 | clears:[1-9]*) ;;
      *) break ;;
    esac
    [[ $took -lt $((patience * 1000)) ]] || fail "$1: expected that it $2, within $patience s it does not"
    sleep 0.2
  done
  printf '  %-22s %-6s after %3d.%d s\n' "$1" "$2" "$((took / 1000))" "$((took % 1000 / 100))"
}

# shellcheck disable=SC2016 # sh expands its own arguments
as_owner sh -c 'umask 077; printf e2e >"$1"' sh "$scratch/password"
as_owner "$programs/initdb" -D "$scratch/data" -U postgres --pwfile="$scratch/password" --auth=scram-sha-256 \
  --encoding=UTF8 --locale=C >/dev/null || fail "initdb failed"
database_port=$(free_port)
database start || fail "PostgreSQL does not start"
export DATABASE_URL=postgres://postgres:e2e@127.0.0.1:$database_port/postgres
"$binaries/database-migration" >"$scratch/migration.log" 2>&1 || fail "the migration failed"
"$binaries/database-load" >"$scratch/load.log" 2>&1 || fail "the load failed"
port=$(free_port)
start_order_food

# shellcheck disable=SC2016 # perl expands
minute=$minute perl -pe 's/(for: |\[)(\d+)([mh])/$1 . $2 * $ENV{minute} * ($3 eq "h" ? 60 : 1) . "s"/ge' "$rules" >"$scratch/rules.yaml"
"$promtool" check rules "$scratch/rules.yaml" >/dev/null
cat >"$scratch/prometheus.yaml" <<CONFIG
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [$scratch/rules.yaml]
scrape_configs:
  - job_name: order-food
    static_configs: [{targets: ["127.0.0.1:$port"]}]
CONFIG
prometheus_port=$(free_port)
"$(dirname "$promtool")/prometheus" --config.file="$scratch/prometheus.yaml" --storage.tsdb.path="$scratch/tsdb" \
  --web.listen-address="127.0.0.1:$prometheus_port" --log.level=warn >"$scratch/prometheus.log" 2>&1 &
children+=("$!")
until curl -fs "http://127.0.0.1:$prometheus_port/-/ready" >/dev/null; do
  kill -0 "${children[-1]}" || fail "prometheus has ended"
  sleep 0.1
done
order_on &
children+=("$!")

echo "$("$(dirname "$promtool")/prometheus" --version 2>&1 | head -n 1), $(grep -c 'alert:' "$rules") rules; a minute of the rules is $minute s here."
until [[ $(ask 'database_up == 1') -eq 1 ]]; do sleep 0.2; done
expect OrderFoodDown clears "$(milliseconds)"
echo "All is well, with orders, for as long as the longest \`for\` lasts:"
for ((second = 0; second < 30 * minute; second++)); do
  sleep 1
  [[ $(firing '.*') -eq 0 ]] || fail "something fires: $("$promtool" query instant "http://127.0.0.1:$prometheus_port" ALERTS)"
done
echo "  nothing fires"

echo "The database is stopped, orders go on:"
since=$(milliseconds)
database -m fast stop || fail "PostgreSQL does not stop"
expect DatabaseUnreachable fires "$since"
expect OrderErrorBudgetBurn fires "$since"
echo "It is started again:"
since=$(milliseconds)
database start || fail "PostgreSQL does not start again"
expect DatabaseUnreachable clears "$since"
expect OrderErrorBudgetBurn clears "$since"

echo "The last comparison with the sources is made 13 hours old:"
since=$(milliseconds)
PGPASSWORD=e2e "$programs/psql" -q -h 127.0.0.1 -p "$database_port" -U postgres -c "UPDATE bootstrap_runs
  SET started_at = started_at - interval '13 h', heartbeat_at = heartbeat_at - interval '13 h', finished_at = finished_at - interval '13 h'"
expect DataStale fires "$since"
echo "database-load runs:"
since=$(milliseconds)
"$binaries/database-load" >"$scratch/load.log" 2>&1 || fail "the load failed"
expect DataStale clears "$since"

echo "order-food is stopped:"
since=$(milliseconds)
kill "$order_food"
expect OrderFoodDown fires "$since"
echo "It is started again:"
since=$(milliseconds)
start_order_food
expect OrderFoodDown clears "$since"

fired=$("$promtool" query instant "http://127.0.0.1:$prometheus_port" \
  'count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))' | sed -E 's/.*alertname="([A-Za-z]+)".*/\1/' | sort | xargs)
echo "All that fired: $fired."
unexpected=$(xargs -n 1 <<<"$fired" | grep -vxE 'DatabaseUnreachable|OrderErrorBudgetBurn|DataStale|OrderFoodDown|OrderLatencyHigh|OutcomeUnknown' || true)
[[ -z $unexpected ]] || fail "no fault was made for $unexpected"
echo "DatabaseUnreachable, OrderErrorBudgetBurn, DataStale and OrderFoodDown fired when the fault was made and cleared when it was mended."
