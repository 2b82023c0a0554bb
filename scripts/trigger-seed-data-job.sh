#!/usr/bin/env bash
# trigger-seed-data-job.sh ENVIRONMENT: loads the data of the profiles.
exec "$(dirname "${BASH_SOURCE[0]}")/deploy/init-job.sh" seed-data "$@"
