#!/usr/bin/env bash
# `make e2e-compose`: proves docker-compose.yml and the images with a real Docker daemon, line by line, in a compose project of
# its own, which it removes at the end. Base images are chosen as for `make images` and `make up`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../images/source.sh
. "$here/../images/source.sh"
# shellcheck source=expect.sh
. "$here/expect.sh"
# shellcheck source=traffic.sh
. "$here/traffic.sh"
cd "$root"

bound=120 # seconds that anything may take that is waited for
export COMPOSE_PROJECT_NAME=order-food-e2e
export POSTGRES_IMAGE=${POSTGRES_IMAGE:-postgres:17}
export JAEGER_ENDPOINT=none
work=$(mktemp -d)
shop=(curl --silent --show-error --max-time 20 --header 'api_key: apitest' --header 'Content-Type: application/json')
order='{"items":[{"productId":"1","quantity":2},{"productId":"3","quantity":1}],"couponCode":"SAVE10"}'

compose() { "$here/../compose/compose.sh" "$@"; }

clean_up() {
  local status=$?
  trap - EXIT
  [[ ${#traffic[@]} -eq 0 ]] || kill "${traffic[@]}" 2>/dev/null || true
  [[ $status -eq 0 ]] || {
    compose ps >&2 || true
    compose logs --no-color --tail=30 >&2 || true
  }
  compose down --volumes --timeout 5 >"$work/down.log" 2>&1 || cat "$work/down.log" >&2
  rm -rf "$work"
  exit "$status"
}

sql() { compose exec -T postgres psql --no-psqlrc -U food -d food -v ON_ERROR_STOP=1 -qAtc "$1"; }

# The ports of all copies of order-food that run, in one line.
ports() {
  local container
  for container in $(compose ps --quiet order-food); do
    docker container inspect --format '{{with index .NetworkSettings.Ports "8080/tcp"}}{{(index . 0).HostPort}}{{end}}' "$container"
  done | sort | xargs
}

is_ready() { [[ $(curl --silent --max-time 3 --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$1/ready") == 200 ]]; }

all_ready() {
  local port found=0
  for port in $(ports); do
    is_ready "$port" || return 1
    found=$((found + 1))
  done
  [[ $found -eq $1 ]]
}

# COUNT ports in a row that nobody listens on.
free_ports() {
  local first port
  for ((first = 18080; first < 19000; first += $1)); do
    for ((port = first; port < first + $1; port++)); do
      ! listening "$port" || continue 2
    done
    echo "$first"
    return
  done
  fail "no free ports from 18080 to 19000"
}

price() { curl --silent --show-error --max-time 5 "http://127.0.0.1:$port/api/product/3" | sed -E 's/.*"price":([0-9.]+).*/\1/'; }

price_is() { [[ $(price) == "$1" ]]; }

# run FILE ARGUMENT…: `docker compose run`, its output in a file, its exit code on standard output.
run() {
  local file=$work/$1.log status=0
  shift
  compose run --rm -T "$@" >"$file" 2>&1 </dev/null || status=$?
  echo "$status"
}

# What the kernel says about the first process of a container, seen from a second one in its process namespace: the first has
# no shell.
kernel_says() {
  docker run --rm --network none --pid "container:$1" --user 10001:10001 --cap-drop ALL --entrypoint cat "$POSTGRES_IMAGE" \
    /proc/1/status /proc/1/mountinfo
}

images() {
  "$here/../images/build.sh" >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log" >&2; fail "the images cannot be built"; }
  local service
  for service in "${services[@]}"; do
    expect "$service: user" "$(docker image inspect --format '{{.Config.User}}' "$service:latest")" 10001:10001
    expect "$service: label" \
      "$(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$service:latest")" "$REVISION"
    ! docker run --rm --entrypoint /bin/sh "$service:latest" -c true >/dev/null 2>&1 || fail "$service has a shell"
    expect_in "$service --version" "$service" <(docker run --rm "$service:latest" --version)
  done
  tail -n 3 "$work/build.log" | sed 's/^/        /'
  proved "images: built, revision $REVISION in their labels, user 10001, no shell"
}

failing_load() {
  local since status=0
  mkdir -p "$work/empty"
  chmod 755 "$work" "$work/empty"
  since=$(milliseconds)
  DATA_DIR=$work/empty PORT=$port compose up --detach >"$work/up.log" 2>&1 </dev/null || status=$?
  [[ $status -ne 0 ]] || fail "up succeeded although the load has no data"
  expect_in "up with a failing load" "exit" "$work/up.log"
  expect "containers of order-food that run" "$(ports)" ""
  compose logs --no-color database-load >"$work/load.log" 2>&1
  expect_in "the log of the load" "default" "$work/load.log"
  proved "failing load: up ends with $status after $(($(milliseconds) - since)) ms and says" \
    "\"$(grep -i exit "$work/up.log" | tail -n 1)\"; order-food does not run"
  status=0
  DATA_DIR=$work/empty PORT=$port "$here/../compose/up.sh" >"$work/up.log" 2>&1 </dev/null || status=$?
  expect_in "make up with a failing load" "error: database-load ended with exit code 2" "$work/up.log"
  proved "failing load: make up ends with $status, shows the end of the log, and says so"
}

# up [ARGUMENT…]: in the background; what it said is shown when it fails.
up() {
  compose up --detach "$@" >"$work/up.log" 2>&1 </dev/null || { cat "$work/up.log" >&2; fail "up failed"; }
}

# up_until_healthy: sets `took`, in milliseconds.
up_until_healthy() {
  local since
  since=$(milliseconds)
  PORT=$port up
  until_true "order-food is healthy" is_healthy order-food
  took=$(($(milliseconds) - since))
}

first_up() {
  compose down --volumes >"$work/down.log" 2>&1
  up_until_healthy
  proved "up: healthy $took ms after the command, with an empty volume and the images present"
}

is_healthy() {
  [[ $(docker container inspect --format '{{.State.Health.Status}}' "$(compose ps --quiet "$1" | head -n 1)") == healthy ]]
}

order_and_read_back() {
  "${shop[@]}" --data "$order" "http://127.0.0.1:$port/api/order" >"$work/placed.json"
  placed=$(sed -nE 's/.*"id":"([0-9a-f-]{36})".*/\1/p' "$work/placed.json")
  [[ -n $placed ]] || { cat "$work/placed.json" >&2; fail "the order was not taken"; }
  "${shop[@]}" "http://127.0.0.1:$port/api/order/$placed" >"$work/read.json"
  expect "the order read back" "$(<"$work/read.json")" "$(<"$work/placed.json")"
  proved "order $placed: placed with the key apitest and SAVE10, read back, the same bytes"
}

second_up() {
  compose down >"$work/down.log" 2>&1
  up_until_healthy
  expect "the order after down and up" "$("${shop[@]}" "http://127.0.0.1:$port/api/order/$placed")" "$(<"$work/placed.json")"
  proved "down and up: healthy after $took ms, the order is still there"
  up_until_healthy
  proved "up again while it runs: $took ms"
}

# Data are edited in a copy, which the load gets in place of the repository's.
data_files() {
  cp -R database-load/data "$work/data"
  chmod -R a+rX "$work"
  export DATA_DIR=$work/data
  sed -i 's/^3,Blueberry Pancakes,9.99/3,Blueberry Pancakes,cheap/' "$DATA_DIR/default/products.csv"
  expect "a corrupt file: exit code" "$(run corrupt database-load)" 10
  expect_in "a corrupt file" "products.csv" "$work/corrupt.log"
  expect "the price after the failed load" "$(price)" 9.99
  is_ready "$port" || fail "order-food is not ready after a failed load"
  proved "corrupt file: exit 10, \"$(grep -m 1 -oE 'products.csv.*' "$work/corrupt.log")\"; the API serves what it had"

  sed -i 's/^3,Blueberry Pancakes,cheap/3,Blueberry Pancakes,10.49/' "$DATA_DIR/default/products.csv"
  expect "a changed price: exit code" "$(run changed database-load)" 0
  until_true "the new price is served" price_is 10.49
  expect "rollback: exit code" "$(run rollback database-load rollback --previous)" 0
  until_true "the old price is served" price_is 9.99
  expect "the next run: exit code" "$(run held database-load)" 0
  expect_in "the next run" "held" "$work/held.log"
  proved "docker compose run --rm database-load, … rollback --previous: price 9.99, 10.49, 9.99 without a restart; then held"
  local command
  for command in 'database-load status' 'database-load plan' 'database-load history' 'database-load verify' \
    'database-load freshness --max-age 12h' 'database-load prune --keep 3' 'database-migration status --exit-code' \
    'database-migration validate' 'order-food health --url http://order-food:8080/ready'; do
    # shellcheck disable=SC2086 # a command line
    expect "$command: exit code" "$(run command $command)" 0
  done
  proved "the other subcommands work as typed: status, plan, history, verify, freshness, prune, validate, health"
  unset DATA_DIR
}

restart_under_traffic() {
  local before keys sofar
  before=$(sql 'SELECT count(*) FROM orders')
  start_traffic 4 "$port"
  until_true "traffic flows" has_answers 40
  compose restart --timeout 30 postgres >"$work/restart.log" 2>&1
  sofar=$(answers 200)
  until_true "traffic flows again" has_answers $((sofar + 40))
  stop_traffic
  keys=$(finished)
  expect "orders stored for $keys keys" "$(($(sql 'SELECT count(*) FROM orders') - before))" "$keys"
  expect "answers that were neither 200 nor 503, 409" "$(answers | grep -cvE '^(200|503|409)$' || true)" 0
  proved "PostgreSQL restarted under traffic: $keys orders, $(answers | grep -cvx 200 || true) answers 503 or 409, repeated" \
    "under their Idempotency-Keys: each order stored once"
}

copies_at_once() {
  local copy service
  compose down --volumes >"$work/down.log" 2>&1
  up postgres
  until_true "PostgreSQL takes connections" is_healthy postgres
  for service in database-migration database-load; do
    local children=()
    for copy in 1 2 3 4 5; do
      compose run --rm -T --no-deps "$service" >"$work/$service.$copy.log" 2>&1 </dev/null &
      children+=($!)
    done
    for copy in 0 1 2 3 4; do
      wait "${children[copy]}" || { cat "$work/$service.$((copy + 1)).log" >&2; fail "a copy of $service failed"; }
    done
  done
  expect "data versions" "$(sql 'SELECT count(*) FROM dataset_versions')" 1
  for service in database-migration database-load; do
    expect "$service: copies that changed something" \
      "$(sql "SELECT count(*) FROM bootstrap_runs WHERE task = '$service' AND outcome = 'changed'")" 1
  done
  proved "five database-migration, then five database-load at once on an empty database: all exit 0, one of each did the work"
}

three_copies() {
  local range=$port-$((port + 2)) each
  PORT=$range up --scale order-food=3
  until_true "three copies are ready" all_ready 3
  for each in $(ports); do
    [[ $("${shop[@]}" --output /dev/null --write-out '%{http_code}' --data "$order" "http://127.0.0.1:$each/api/order") == 200 ]] ||
      fail "port $each takes no orders"
  done
  proved "three copies of order-food behind the ports $range: each takes orders"
}

# A load balancer asks /ready and sends to those that answer 200; so does this traffic.
stop_under_traffic() {
  local before keys container sofar
  before=$(sql 'SELECT count(*) FROM orders')
  # shellcheck disable=SC2046 # a list of ports
  start_traffic 4 $(ports)
  until_true "traffic flows" has_answers 60
  container=$(compose ps --quiet order-food | head -n 1)
  docker stop --time 30 "$container" >/dev/null
  expect "exit code of the stopped copy" "$(docker container inspect --format '{{.State.ExitCode}}' "$container")" 0
  sofar=$(answers 200)
  until_true "the others take the traffic" has_answers $((sofar + 60))
  stop_traffic
  keys=$(finished)
  expect "answers that were not 200" "$(answers | grep -cvx 200 || true)" 0
  expect "orders stored" "$(($(sql 'SELECT count(*) FROM orders') - before))" "$keys"
  proved "docker stop of one of three under traffic: $keys orders, every one answered 200 at the first attempt, each stored" \
    "once; exit code 0"
}

confined() {
  local service line
  kernel_says "$(compose ps --quiet order-food | tail -n 1)" >"$work/kernel.txt"
  for line in $'Uid:\t10001\t10001\t10001\t10001' $'CapPrm:\t0000000000000000' $'CapEff:\t0000000000000000' \
    $'CapBnd:\t0000000000000000' $'NoNewPrivs:\t1'; do
    expect_in "order-food in the kernel" "$line" "$work/kernel.txt"
  done
  expect_in "the root of order-food" " / ro" <(awk '$5 == "/" { print $4, $5, $6 }' "$work/kernel.txt" | sed 's/^[^ ]*//')
  local generate=(database-load coupons generate --shape published --scale 0.0000001 --out)
  expect "writing to the root: exit code" "$(run write "${generate[@]}" /usr/share/corpus)" 6
  expect_in "writing to the root" "Read-only file system" "$work/write.log"
  expect "writing to /tmp: exit code" "$(run write "${generate[@]}" /tmp/corpus)" 0
  for service in "${services[@]}"; do
    expect "$service: read-only, capabilities" \
      "$(docker container inspect --format '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' \
        "$(compose ps --all --quiet "$service" | head -n 1)")" 'true [ALL] [no-new-privileges:true]'
  done
  proved "confined: uid 10001, no capability even to gain, no new privileges, root read-only (a write is exit 6)," \
    "/tmp writable"
}

no_secret() {
  local secret container service
  secret=$(<deploy/compose/development-only/postgres-password)
  for container in $(compose ps --all --quiet); do docker container inspect "$container"; done >"$work/inspect.json"
  for service in "${services[@]}"; do
    docker image inspect "$service:latest"
    docker image history --no-trunc "$service:latest"
  done >>"$work/inspect.json"
  compose logs --no-color >"$work/logs.txt" 2>&1
  [[ -s $work/inspect.json && -s $work/logs.txt ]] || fail "nothing to search in"
  ! grep -qF "$secret" "$work/inspect.json" || fail "the password is in docker inspect"
  ! grep -qF "$secret" "$work/logs.txt" || fail "the password is in the logs"
  ! grep -qF apitest "$work/logs.txt" || fail "the API key is in the logs"
  proved "no secret: the password is in no docker inspect, image history or log, the API key in no log"
}

need_docker
compose version >/dev/null || exit 1
docker image inspect "$POSTGRES_IMAGE" >/dev/null 2>&1 || docker pull --quiet "$POSTGRES_IMAGE" ||
  fail "$POSTGRES_IMAGE cannot be had; type: POSTGRES_IMAGE=… make e2e-compose"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
compose down --volumes >/dev/null 2>&1 || true
port=$(free_ports 3)
echo "$(compose version | head -n 1), Docker $(docker version --format '{{.Server.Version}}'), $POSTGRES_IMAGE"

images
failing_load
first_up
order_and_read_back
second_up
data_files
restart_under_traffic
copies_at_once
three_copies
stop_under_traffic
confined
no_secret
proved "all of it"
