#!/usr/bin/env bash
# The one list of what `make test` needs besides this repository. Debian's packages are installed as root or with sudo, tools go into
# .tools/ and need neither. Where packages are missing and cannot be installed, one line names all of them before anything is built.
# Arguments: more packages, each with a program of its name.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=functions.sh
. "$here/functions.sh"

tools=(hadolint hclfmt helm kubernetes-schemas kustomize moto promtool pgbouncer)
missing=()
packages=()

# require WHAT PACKAGES COMMAND…: the command succeeds where it is there.
require() {
  "${@:3}" >/dev/null 2>&1 || {
    missing+=("$1")
    packages+=("$2")
  }
}

has_certificates() {
  [[ -n ${SSL_CERT_FILE:-} ]] || compgen -G '/etc/ssl/cert*'/'*.crt' || compgen -G '/etc/ssl/cert*.pem' || [[ -d /etc/pki ]]
}

require git git type -P git
require "a C compiler" "gcc libc6-dev" type -P cc
require curl curl type -P curl
require kill procps type -P kill
require "certificates of authorities" ca-certificates has_certificates
"$here/tools.sh" --present "${tools[@]}" || require pip python3-pip python3 -m pip --version
require "a PostgreSQL server (14 to 18)" postgresql "$here/postgres/binaries.sh" --present
require "a browser" "chromium fonts-dejavu-core" type -P chromium
require "the browser's driver" chromium-driver type -P chromedriver
for package in "$@"; do
  require "$package" "$package" type -P "$package"
done

hints=()
type -P cargo >/dev/null || hints+=("install Rust from https://rustup.rs")
if [[ ${#missing[@]} -gt 0 ]] && ! { type -P apt-get && { [[ $EUID -eq 0 ]] || sudo -n true; }; } >/dev/null 2>&1; then
  hints+=("type: sudo apt-get update && sudo apt-get install ${packages[*]}")
fi
if [[ ${#hints[@]} -gt 0 ]]; then
  type -P cargo >/dev/null || missing+=(cargo)
  list=$(printf '%s, ' "${missing[@]}")
  hint=$(printf '%s; ' "${hints[@]}")
  fail "missing: ${list%, }; ${hint%; }"
fi

if [[ ${#missing[@]} -gt 0 ]]; then
  echo "Installing: ${packages[*]}." >&2
  apt_update
  for package in "${packages[@]}"; do
    # shellcheck disable=SC2086 # packages
    [[ $package == postgresql ]] || apt_install $package
  done
fi
"$here/postgres/binaries.sh" >/dev/null
"$here/tools.sh" "${tools[@]}" >/dev/null
