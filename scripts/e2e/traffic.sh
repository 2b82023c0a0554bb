# Orders that keep coming, for the tests with real containers; to be sourced. Needs $work (a folder), $order (a body) and
# until_true.
# shellcheck shell=bash
# shellcheck disable=SC2154

traffic=() # the workers' process ids

# start_traffic WORKERS PORT…: each worker sends one order after the other to the ports in turn, to those that say they are
# ready, and repeats one that was not answered 200 under its Idempotency-Key until it is.
start_traffic() {
  local worker
  rm -rf "$work/traffic"
  mkdir -p "$work/traffic"
  for ((worker = 1; worker <= $1; worker++)); do
    send_orders "$worker" "${@:2}" &
    traffic+=($!)
  done
}

# Lets every worker bring the order that it has begun to its end.
stop_traffic() {
  touch "$work/traffic/stop"
  until_true "the last orders are answered" has_no_traffic
  traffic=()
}

has_no_traffic() { ! kill -0 "${traffic[@]}" 2>/dev/null; }

send_orders() {
  local worker=$1 number turn=0 port status
  local ports=("${@:2}")
  for ((number = 1; ; number++)); do
    [[ ! -e $work/traffic/stop ]] || return 0
    until [[ ${status:-} == 200 ]]; do
      port=${ports[turn++ % ${#ports[@]}]}
      [[ $(curl --silent --max-time 3 --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$port/ready") == 200 ]] || {
        sleep 0.05
        continue
      }
      status=$(curl --silent --max-time 30 --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$port/api/order" \
        --header 'api_key: apitest' --header 'Content-Type: application/json' \
        --header "Idempotency-Key: $BASHPID-$worker-$number" --data "$order") || true
      echo "$status" >>"$work/traffic/answers.$worker"
    done
    status=
    echo "$number" >>"$work/traffic/finished.$worker"
  done
}

# answers [STATUS]: all statuses, one a line; or how many there are of one. 000 is a connection that broke off.
answers() {
  if [[ $# -eq 0 ]]; then
    cat "$work"/traffic/answers.* 2>/dev/null
  else
    answers | grep -cx "$1" || true
  fi
}

has_answers() { [[ $(answers 200) -ge $1 ]]; }

# How many orders were brought to their end.
finished() { cat "$work"/traffic/finished.* 2>/dev/null | wc -l; }
