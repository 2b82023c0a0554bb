#!/usr/bin/env bash
# This checkout's private PostgreSQL: `start` starts it and prints its DATABASE_URL, `url` only prints it, `stop` keeps the data,
# `reset` stops it and forgets them.
# shellcheck disable=SC2016 # `sh -c '…'` expands its own arguments, as the owner of the files
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=place.sh
. "$here/place.sh"

home=$state/postgres
data=$home/data
log=$home/server.log
# What the user has set for other servers must not reach this one.
unset "${!PG@}"
export LC_ALL=C
cd /

# Prints the postmaster's process id if it runs. Returns 2 when a crash left a file whose number is another process's by now.
postmaster() {
  local pid
  pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || return 1
  as_owner sh -c 'kill -0 "$1"' sh "$pid" 2>/dev/null || return 1
  [[ ! -d /proc/self ]] || as_owner test "/proc/$pid/cwd" -ef "$data" || return 2
  echo "$pid"
}

# create PROGRAMS: complete or not at all, since only the last step gives the folder its name.
create() {
  local password new=$data.new
  if [[ $EUID -eq 0 ]]; then
    install -d -m 700 -o postgres -g postgres "$home"
  else
    install -d -m 700 "$home"
  fi
  as_owner rm -rf "$new"
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  as_owner sh -c 'umask 077; cat >"$1"' sh "$home/password" <<<"$password"
  initialize "$1" C.UTF-8 || initialize "$1" C || fail "initdb failed: $(tail -n 5 "$log")"
  as_owner sh -c 'cat >>"$1"' sh "$new/postgresql.conf" <<<"
listen_addresses = '127.0.0.1'
unix_socket_directories = ''"
  as_owner "$1/postgres" --single -D "$new" -c exit_on_error=true postgres >/dev/null 2>&1 <<SQL ||
CREATE ROLE order_food LOGIN PASSWORD '$password'
CREATE DATABASE order_food OWNER order_food
SQL
    fail "cannot create the database in $new"
  as_owner mv "$new" "$data"
}

# initialize PROGRAMS LOCALE
initialize() {
  as_owner sh -c 'umask 077; log=$1; shift; "$@" >"$log" 2>&1' sh "$log" \
    "$1/initdb" -D "$data.new" -U postgres --pwfile="$home/password" --auth=scram-sha-256 --encoding=UTF8 --locale="$2"
}

start() {
  local programs major='' port=''
  [[ ! -e $data/PG_VERSION ]] || major=$(<"$data/PG_VERSION")
  programs=$("$here/binaries.sh" ${major:+"$major"})
  [[ -n $major ]] || create "$programs"
  [[ ! -e $home/port ]] || port=$(<"$home/port")

  for _ in 1 2 3; do
    case $(postmaster >/dev/null && echo 0 || echo $?) in
      0) break ;;
      2) as_owner rm "$data/postmaster.pid" ;; # PostgreSQL would take that process for a server and refuse
    esac
    while [[ -z $port ]] || listening "$port"; do
      port=$((20000 + RANDOM % 10000))
    done
    echo "$port" >"$home/port"
    as_owner "$programs/pg_ctl" -D "$data" -l "$log" -o "-p $port" -w -t 60 start >/dev/null 2>&1 || sleep 1
  done
  postmaster >/dev/null || fail "PostgreSQL does not start; the end of $log:
$(tail -n 10 "$log")"
  url
}

url() {
  [[ -r $home/port ]] || fail "there is no private PostgreSQL yet; make run makes one"
  echo "postgres://order_food:$(<"$home/password")@127.0.0.1:$(<"$home/port")/order_food"
}

# SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
stop() {
  local pid
  pid=$(postmaster) || return 0
  kill -INT "$pid"
  for _ in {1..600}; do
    postmaster >/dev/null || return 0
    sleep 0.1
  done
  kill -QUIT "$pid"
}

case ${1:-} in
  start) start ;;
  url) url ;;
  stop) stop ;;
  reset)
    [[ -d $state ]] || {
      echo "Nothing to forget."
      exit 0
    }
    lock
    stop
    rm -rf "$state"
    [[ $EUID -ne 0 ]] || rmdir --ignore-fail-on-non-empty "$(dirname "$state")"
    echo "Forgot the data in $state."
    ;;
  *) fail "usage: $0 start|url|stop|reset" ;;
esac
