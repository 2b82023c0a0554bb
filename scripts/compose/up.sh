#!/usr/bin/env bash
# `make up`: builds what changed, starts everything in the background, and waits until orders are served. OBSERVABILITY=1
# adds Jaeger, Prometheus and Grafana; docker-compose.yml lists what else can be set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../images/source.sh
. "$here/../images/source.sh"

need_docker

ready_within=90 # seconds
compose=("$here/compose.sh")
[[ ${OBSERVABILITY:-0} == 0 ]] || compose+=(--profile observability)

# What is said about a service that is not as it should be: the end of its log.
show_log() {
  printf '\n%s: the end of its log\n' "$1" >&2
  "${compose[@]}" logs --no-color --tail=20 "$1" >&2
}

"${compose[@]}" up --detach --build || {
  for service in database-migration database-load; do
    for container in $("${compose[@]}" ps --all --quiet "$service" 2>/dev/null); do
      status=$(docker container inspect --format '{{.State.ExitCode}}' "$container")
      [[ $status -eq 0 ]] || {
        show_log "$service"
        fail "$service ended with exit code $status, so order-food was not started"
      }
    done
  done
  fail "docker compose up failed; what it said is above"
}

is_healthy() {
  local containers
  containers=$("${compose[@]}" ps --quiet order-food)
  [[ -n $containers ]] || return 1
  # shellcheck disable=SC2086 # a list of ids
  ! docker container inspect --format '{{.State.Health.Status}}' $containers | grep -qvx healthy
}

since=$SECONDS
until is_healthy; do
  [[ $((SECONDS - since)) -lt $ready_within ]] || {
    show_log order-food
    fail "order-food is not ready after $ready_within s"
  }
  sleep 0.2
done

# port SERVICE PORT: where the port of a service is on this machine.
port() {
  local address
  address=$("${compose[@]}" port "$1" "$2")
  echo "${address##*:}"
}

port=$(port order-food 8080)
cat <<READY

The shop is at http://localhost:$port, the documentation of its API at http://localhost:$port/docs, the operator console at
http://localhost:$(port order-food 8081), the worker's health at http://localhost:$(port order-food-workers 8080)/q/health. 'make logs' shows what happens,
'make down' stops everything. Order in the shop, or by the API:

$(example_order "$port")
READY
[[ ${OBSERVABILITY:-0} == 0 ]] || cat <<OBSERVABILITY

Traces: http://localhost:16686   metrics and alerts: http://localhost:9090   dashboard: http://localhost:3000
OBSERVABILITY
