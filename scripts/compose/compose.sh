#!/usr/bin/env bash
# Runs Docker Compose on this repository: `docker compose` if there is one, else `docker-compose`; COMPOSE=… goes before both.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ -n ${COMPOSE:-} ]]; then
  read -ra compose <<<"$COMPOSE"
elif docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  echo "error: Docker Compose is missing; type: sudo apt-get install docker-compose" >&2
  exit 1
fi
exec "${compose[@]}" "$@"
