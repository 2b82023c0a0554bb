#!/usr/bin/env bash
# trigger-validate-infrastructure-job.sh ENVIRONMENT: checks roles, schema and data.
exec "$(dirname "${BASH_SOURCE[0]}")/deploy/init-job.sh" validate-infrastructure "$@"
