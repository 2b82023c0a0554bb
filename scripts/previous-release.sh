#!/usr/bin/env bash
# Builds the release before this commit (its newest tag v*), which the suite then runs on the new schema; without one it does nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$here/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
folder=$target/previous-release

# A release's own commit has the one before it to live with.
if ! tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 'HEAD^' 2>/dev/null); then
  rm -rf "$folder"
  exit 0
fi
commit=$(git rev-parse "$tag^{commit}")
if [[ -e $folder/commit && $(<"$folder/commit") == "$commit" ]]; then
  exit 0
fi

echo "Building the previous release, $tag: the suite runs it on the new schema."
rm -rf "$folder"
mkdir -p "$folder/source" "$folder/bin"
git archive "$commit" | tar -x -C "$folder/source"
(cd "$folder/source" && cargo build --locked --target-dir "$folder/build" -p database-migration -p database-load -p order-food)
for program in database-migration database-load order-food; do
  cp "$folder/build/debug/$program" "$folder/bin/"
done
mv "$folder/source/database-load/data" "$folder/data"
rm -rf "$folder/build" "$folder/source"
# Last of all: what was interrupted before is built again.
echo "$commit" >"$folder/commit"
