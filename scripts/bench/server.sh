# shellcheck shell=bash
# A throw-away PostgreSQL with default durability, gone at the end of the script. To be sourced after ../postgres/place.sh,
# with the folder of PostgreSQL's programs in `programs`.

# What the user has set for other servers, or for the programs, must not reach the measurement.
unset "${!PG@}" "${!DB_@}" "${!OTEL_@}" DATABASE_URL_FILE TRACEPARENT POD_UID
export LC_ALL=C JAEGER_ENDPOINT=none

scratch=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
[[ $EUID -ne 0 ]] || chown postgres: "$scratch"
clean_up() {
  as_owner "${programs:?}/pg_ctl" -D "$scratch/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

make_server() {
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  # shellcheck disable=SC2016 # sh expands its own arguments
  as_owner sh -c 'umask 077; cat >"$1"' sh "$scratch/password" <<<"$password"
  as_owner "$programs/initdb" -D "$scratch/data" -U postgres --pwfile="$scratch/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C >/dev/null || fail "initdb failed"
}

start_server() {
  for _ in 1 2 3; do
    port=$((20000 + RANDOM % 10000))
    ! listening "$port" || continue
    as_owner "$programs/pg_ctl" -D "$scratch/data" -l "$scratch/log" -w -t 60 \
      -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" start >/dev/null 2>&1 && return
  done
  fail "PostgreSQL does not start; the end of its log:
$(tail -n 10 "$scratch/log")"
}

url() {
  echo "postgres://postgres:$password@127.0.0.1:$port/$1"
}
