#!/usr/bin/env bash
# Prints the curl command that places the sample order; the README shows exactly this. `PORT` as in `make run`.
set -euo pipefail

cat <<EXAMPLE
curl -sS http://localhost:${PORT:-8080}/api/order \\
  -H 'api_key: apitest' \\
  -H 'Content-Type: application/json' \\
  -d '{"items":[{"productId":"1","quantity":2},{"productId":"3","quantity":1}],"couponCode":"SAVE10"}'
EXAMPLE
