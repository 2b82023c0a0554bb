#!/usr/bin/env bash
# `make run`: PostgreSQL, the release build, database-migration, database-load, order-food and its worker, in this order; Ctrl-C
# stops all of it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=postgres/place.sh
. "$here/postgres/place.sh"
cd "$root"

ready_within=60 # seconds from the start of order-food to its first ready answer
stop_within=45  # seconds from SIGTERM to SIGKILL; above order-food's own limits
target=${CARGO_TARGET_DIR:-$root/target}
binaries=$target/release
logs=$state/logs

child=   # the process group that runs now
worker=  # that of the worker, once it runs
private= # set when the PostgreSQL server is ours to stop
serving= # set once order-food is ready

# Ends the line of a step with the seconds it took.
done_since() {
  local ms=$(($(milliseconds) - $1))
  printf '%d.%d s\n' "$((ms / 1000))" "$((ms % 1000 / 100))"
}

# A process group of its own: Ctrl-C in the terminal then reaches this script alone, which stops things in order.
launch() {
  set -m
  "$@" 9>&- </dev/null &
  child=$!
  set +m
}

# The exit status of what was launched; a signal to this script interrupts the wait.
finish() {
  local status=0
  wait "$child" || status=$?
  child=
  return "$status"
}

# end GROUP: SIGTERM, and SIGKILL if that is not enough.
end() {
  kill -TERM -- "-$1"
  for ((tenths = 0; tenths < stop_within * 10; tenths++)); do
    kill -0 "$1" || break
    sleep 0.1
  done
  kill -KILL -- "-$1"
  wait "$1"
} 2>/dev/null

stop_all() {
  local status=$?
  set +e
  trap - EXIT
  # A second Ctrl-C is impatience with order-food's requests in flight, not with PostgreSQL, which must close its files.
  trap '[[ -z $child ]] || kill -KILL -- "-$child"' INT TERM HUP
  if [[ -n $child ]]; then
    echo "Stopping."
    end "$child"
  fi
  [[ -z $worker ]] || end "$worker"
  if [[ -n $private ]]; then
    "$here/postgres/cluster.sh" stop
    echo "PostgreSQL stopped; the data are kept ('make reset' forgets them)."
  fi
  # Ctrl-C is how a served run ends; make would report any other status as an error.
  [[ $status -ne 130 || -z $serving ]] || status=0
  exit "$status"
}

# one_shot NUMBER SERVICE: runs to its end, its log in a file that is shown when it fails.
one_shot() {
  local since status=0 log=$logs/$2.log
  since=$(milliseconds)
  printf '[%s/6] %s … ' "$1" "$2"
  LOG_FORMAT=${LOG_FORMAT:-text} NO_COLOR=1 launch "$binaries/$2" >"$log" 2>&1
  finish || status=$?
  if [[ $status -ne 0 ]]; then
    printf 'failed with exit code %d. The end of %s:\n' "$status" "$log"
    tail -n 20 "$log"
    exit "$status"
  fi
  done_since "$since"
  # A load that was held back succeeds, and says why.
  grep -E '^[^ ]+ +(WARN|ERROR) ' "$log" || true
}

export PORT=${PORT:-8080} ENVIRONMENT=${ENVIRONMENT:-development} DATA_DIR=${DATA_DIR:-database-load/data}
export RUN_TRIGGER=${RUN_TRIGGER:-init}
export DRAIN_WAIT=${DRAIN_WAIT:-0} # no load balancer has to notice first
if [[ -z ${OTEL_EXPORTER_OTLP_TRACES_ENDPOINT:-}${OTEL_EXPORTER_OTLP_ENDPOINT:-}${JAEGER_ENDPOINT:-} ]]; then
  export JAEGER_ENDPOINT=none
fi

# The storefront orders under a row of the sample data, which production refuses.
case ${ENVIRONMENT,,} in
  prod | production) ;;
  *) export STOREFRONT_KEY_ID=${STOREFRONT_KEY_ID-018f4e5a-0000-7000-8000-0000000000c0} ;;
esac

lock
[[ $PORT =~ ^[1-9][0-9]{0,4}$ && $PORT -le 65535 ]] || fail "PORT: expected 1 to 65535"
# API, console and worker stand beside each other: 8080, 8081, 8082.
worker_port=$((PORT + 2))
export CONSOLE_PORT=${CONSOLE_PORT-$((PORT + 1))}
[[ $worker_port -le 65535 ]] || fail "PORT: expected 1 to 65533"
! listening "$worker_port" || fail "the worker's port $worker_port is taken; choose another PORT"
[[ -z $CONSOLE_PORT ]] || ! listening "$CONSOLE_PORT" || fail "the console's port $CONSOLE_PORT is taken; choose another PORT"
! listening "$PORT" || fail "PORT: another program listens on $PORT; choose another port, for example: make run PORT=$((PORT % 65535 + 1))"
need_cargo
command -v cc >/dev/null || fail "a C compiler is missing; type: sudo apt-get install gcc libc6-dev"
install -d "$logs"
trap stop_all EXIT
trap '' PIPE # a closed pipe (make run | tee …) is an error to stop on, not a death without the trap above
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

since=$(milliseconds)
named=
for variable in DATABASE_URL DATABASE_URL_FILE DATABASE_DIRECT_URL DATABASE_DIRECT_URL_FILE DB_HOST DB_HOST_FILE; do
  [[ -z ${!variable:-} || -n $named ]] || named=$variable
done
if [[ -n $named ]]; then
  echo "[1/6] PostgreSQL: the server of $named"
else
  "$here/postgres/binaries.sh" >/dev/null
  private=yes
  DATABASE_URL=$("$here/postgres/cluster.sh" start 9>&-)
  export DATABASE_URL
  printf '[1/6] PostgreSQL %s on 127.0.0.1:%s … ' "$(<"$state/postgres/data/PG_VERSION")" "$(<"$state/postgres/port")"
  done_since "$since"
fi

since=$(milliseconds)
echo "[2/6] cargo build --release"
launch cargo build --release --locked --target-dir "$target" -p database-migration -p database-load -p order-food
finish || fail "the build failed"
printf '[2/6] built … '
done_since "$since"

one_shot 3 database-migration
one_shot 4 database-load

# What a worker exports, the API serves.
export REPORT_LOCATION=${REPORT_LOCATION:-$state/exports}

# until_ready NUMBER NAME GROUP URL
until_ready() {
  local since status=0
  since=$(milliseconds)
  until "$binaries/order-food" health --url "$4" >/dev/null 2>&1 && kill -0 "$3" 2>/dev/null; do
    kill -0 "$3" 2>/dev/null || {
      wait "$3" || status=$?
      [[ $3 != "$child" ]] || child=
      fail "$2 ended with exit code $status before it was ready; its log is above"
    }
    [[ $(($(milliseconds) - since)) -lt $((ready_within * 1000)) ]] ||
      fail "$2 is not ready after $ready_within s; its log is above"
    sleep 0.1
  done
  printf '[%s/6] %s … ' "$1" "$2"
  done_since "$since"
}

launch "$binaries/order-food"
until_ready 5 order-food "$child" "http://127.0.0.1:$PORT/ready"
api=$child
PORT=$worker_port CONSOLE_PORT='' launch "$binaries/order-food" worker
worker=$child child=$api
until_ready 6 "order-food worker" "$worker" "http://127.0.0.1:$worker_port/q/health/ready"
cat <<READY

The shop is at http://localhost:$PORT, the documentation of its API at http://localhost:$PORT/docs; the worker's health is at
http://localhost:$worker_port/q/health. ${CONSOLE_PORT:+Kitchen and operators: http://localhost:$CONSOLE_PORT, with the API key stafftest. }Ctrl-C stops
everything. Order in the shop, or by the API:

$(example_order "$PORT")

READY
serving=yes
finish
