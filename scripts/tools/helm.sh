#!/usr/bin/env bash
# Prints the path of helm; builds the pinned version into .tools/ first if it is not there, which takes some minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=3.21.4
kubernetes_minor=36 # what this helm is made for, and takes for the cluster where it does not see one
folder=$PWD/.tools/helm-$version

if [[ ! -x $folder/helm ]]; then
  # One that is there already will do, if it is this one.
  found=$(command -v helm || true)
  if [[ -n $found && $("$found" version --template '{{.Version}}' 2>/dev/null) == "v$version" ]]; then
    echo "$found"
    exit 0
  fi
  command -v go >/dev/null || {
    echo "error: helm $version is missing, and Go, which would build it, too; install one of them: https://helm.sh or https://go.dev" >&2
    exit 1
  }
  echo "No helm $version here: building it into .tools/." >&2
  module=helm.sh/helm/v3
  flags="-s -w -X $module/internal/version.version=v$version"
  for package in chartutil lint/rules; do
    flags+=" -X $module/pkg/$package.k8sVersionMajor=1 -X $module/pkg/$package.k8sVersionMinor=$kubernetes_minor"
  done
  mkdir -p .tools
  scratch=$(mktemp -d .tools/new.XXXXXX)
  trap 'rm -rf "$scratch"' EXIT
  GOBIN=$PWD/$scratch GOFLAGS='' CGO_ENABLED=0 go install -trimpath -ldflags "$flags" "$module/cmd/helm@v$version" >&2
  # Another process may have been faster.
  chmod 755 "$scratch"
  mv -T "$scratch" "$folder" 2>/dev/null || [[ -x $folder/helm ]]
  trap - EXIT
  rm -rf "$scratch"
fi
echo "$folder/helm"
