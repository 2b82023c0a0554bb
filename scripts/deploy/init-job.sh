#!/usr/bin/env bash
# init-job.sh PURPOSE ENVIRONMENT: starts the init job of that name, follows its log, and exits with 0 if it completes, 1 if it
# fails. PLATFORM=azure starts the Container Apps job of the resource group order-food-rg-ENVIRONMENT instead.
set -euo pipefail
# shellcheck source=init-place.sh
. "$(dirname "${BASH_SOURCE[0]}")/init-place.sh"
name_job "$@"

on_kubernetes() {
  local needed
  needed=$(kube get cronjob "$job" -o go-template="$secrets")
  need_secrets "$needed"
  echo "Step 2: Executing task..."
  NAME=$job-$(date -u +%Y%m%d-%H%M%S) JOB=$job "$root/scripts/deploy/job.sh"
}

on_azure() {
  echo "Step 2: Executing task..."
  local execution status
  execution=$(az containerapp job start --name "$job" --resource-group "$group" --query name --output tsv) ||
    fail "$job could not be started; type: az containerapp job show --name $job --resource-group $group"
  while :; do
    status=$(az containerapp job execution show --name "$job" --resource-group "$group" --job-execution-name "$execution" \
      --query properties.status --output tsv) || fail "Azure does not tell how $execution goes on"
    case $status in Succeeded | Failed | Stopped | Degraded) break ;; esac
    sleep 5
  done
  az containerapp job logs show --name "$job" --resource-group "$group" --execution "$execution" --container "$container" || true
  [[ $status == Succeeded ]] || fail "$execution ended as $status; type: az containerapp job execution show --name $job" \
    "--resource-group $group --job-execution-name $execution"
}

echo "=== Starting Job: $purpose ==="
echo "Step 1: Checking prerequisites..."
on_platform on_kubernetes on_azure
echo "✓ Job completed successfully!"
