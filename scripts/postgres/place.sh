# Where this checkout keeps what `make run` makes, and the owner of its PostgreSQL server; sourced by the other scripts.
# shellcheck shell=bash

# shellcheck source=../functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/../functions.sh"

# PostgreSQL refuses to run as root, and the user `postgres` may not reach a checkout below root's home.
if [[ $EUID -eq 0 ]]; then
  state=/var/lib/order-food/$(printf '%s' "$root" | sha256sum | cut -c1-12)
else
  state=$root/.dev
fi

# Runs a command as the user that owns the server.
as_owner() {
  if [[ $EUID -ne 0 ]]; then
    "$@"
  elif command -v setpriv >/dev/null; then
    setpriv --reuid postgres --regid postgres --init-groups -- "$@"
  else
    runuser -u postgres -- "$@"
  fi
}

# Only one `make run` or `make reset` at a time per checkout. The lock ends with the process that took it,
# so what it starts must not inherit descriptor 9.
lock() {
  install -d -m 755 "$(dirname "$state")" "$state"
  exec 9>>"$state/lock"
  ! command -v flock >/dev/null || flock -n 9 || fail "make run is active in this checkout already (process $(<"$state/lock"));" \
    "stop it with Ctrl-C in its terminal, or type: kill $(<"$state/lock")"
  echo "$$" >"$state/lock"
}
