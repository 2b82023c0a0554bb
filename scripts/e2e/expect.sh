# Waiting and comparing, for the tests with real containers; to be sourced after ../functions.sh. `bound` is the number of seconds
# that anything may take that is waited for.
# shellcheck shell=bash disable=SC2154

proved() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

# expect TEXT ACTUAL EXPECTED
expect() { [[ $2 == "$3" ]] || fail "$1: $2, expected $3"; }

# expect_in TEXT NEEDLE FILE
expect_in() { grep -qF -- "$2" "$3" || fail "$1: no \"$2\" in what it said: $(cat "$3")"; }

# until_true TEXT COMMAND…
until_true() {
  local text=$1 since=$SECONDS
  shift
  until "$@"; do
    [[ $((SECONDS - since)) -lt $bound ]] || fail "$text: not within $bound s"
    sleep 0.1
  done
}
