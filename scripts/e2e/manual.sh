#!/usr/bin/env bash
# Runs what docs/OPERATIONS.md tells people on call to type into kubectl, on the cluster and namespace that kubectl is set to: every
# block of the chapters Alerts and Questions, in their order. `--list` only prints them. REQUEST_ID=… is a request to look for.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
export REQUEST_ID=${REQUEST_ID:-none}

# Blocks with kubectl in them, each after a line `# section`.
blocks() {
  awk '
    /^## / { chapter = $0 }
    /^#/ { section = $0; sub(/^#+ /, "", section) }
    /^```sh$/ { text = ""; inside = chapter ~ /^## (Alerts|Questions)$/; next }
    /^```$/ { if (inside && text ~ /kubectl /) printf "# %s\n%s", section, text; inside = 0; next }
    inside { text = text $0 "\n" }
  ' "$root/docs/OPERATIONS.md"
}

if [[ ${1:-} == --list ]]; then
  blocks
  exit
fi

script=
number=0
# shellcheck disable=SC2016 # the shell that runs the block expands
run() {
  [[ -n $script ]] || return 0
  number=$((number + 1))
  printf '\n--- %s\n%s' "$section" "$script"
  bash -euo pipefail -c "$script" </dev/null || {
    printf 'error: docs/OPERATIONS.md, "%s": these commands failed\n' "$section" >&2
    exit 1
  }
}

section=
while IFS= read -r line; do
  if [[ $line == '# '* ]]; then
    run
    section=${line#'# '} script=
  else
    script+=$line$'\n'
  fi
done < <(blocks)
run
printf '\n%d blocks of commands of docs/OPERATIONS.md worked.\n' "$number"
