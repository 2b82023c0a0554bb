#!/usr/bin/env bash
# Prints the folder of the PostgreSQL server programs (14 to 18), newest first or of the major version given; installs Debian's package if
# there is none. With --present it installs nothing: the status tells whether there is one.
set -euo pipefail
# shellcheck source=place.sh
. "$(dirname "${BASH_SOURCE[0]}")/place.sh"

# find_programs [MAJOR]: those of the PATH first, since an operator chose them; a link leads to the folder that has all of them.
find_programs() {
  local folder version
  for folder in "$(dirname "$(readlink -f "$(command -v postgres || echo /nowhere/postgres)")")" \
    /usr/lib/postgresql/{18,17,16,15,14}/bin /usr/pgsql-{18,17,16,15,14}/bin \
    {/opt/homebrew,/usr/local}/opt/postgresql@{18,17,16,15,14}/bin; do
    [[ -x $folder/postgres && -x $folder/initdb && -x $folder/pg_ctl ]] || continue
    version=$("$folder/postgres" --version) || continue
    version=${version#*PostgreSQL) }
    version=${version%%[!0-9]*}
    [[ $version -ge 14 && $version -le 18 && $version == "${1:-$version}" ]] || continue
    echo "$folder"
    return 0
  done
  return 1
}

# Debian's package makes a cluster of its own and starts it, unless told not to; that setting is put back afterwards.
install_package() {
  setting=/etc/postgresql-common/createcluster.conf
  command -v apt-get >/dev/null ||
    fail "no PostgreSQL server here (14 to 18). Install one with this system's package manager, or set DATABASE_URL."
  [[ $EUID -eq 0 ]] || sudo -n true 2>/dev/null || fail "no PostgreSQL server here (14 to 18). Type
  sudo apt-get update && sudo apt-get install postgresql
and then the same make command again, or set DATABASE_URL."
  echo "No PostgreSQL server here: installing the package postgresql." >&2
  apt_update
  apt_install postgresql-common
  saved=$(<"$setting")
  trap 'as_root tee "$setting" <<<"$saved" >/dev/null' EXIT
  as_root tee "$setting" >/dev/null <<<"$saved"$'\n'"create_main_cluster = false"
  apt_install postgresql
}

[[ ${1:-} != --present ]] || { find_programs >/dev/null && exit; }
found=$(find_programs) || {
  install_package
  found=$(find_programs) || fail "the package postgresql brought no server of version 14 to 18"
}
if [[ -n ${1:-} ]]; then
  found=$(find_programs "$1") || fail "the data of the private cluster were written by PostgreSQL $1, and this machine has only another version." \
    "Install PostgreSQL $1 (package postgresql-$1), or forget the data: make reset"
fi
if [[ $EUID -eq 0 ]] && ! id postgres >/dev/null 2>&1; then
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin postgres
fi
echo "$found"
