#!/usr/bin/env bash
# trigger-multi-region-setup-job.sh ENVIRONMENT: waits for the standby of a second region.
exec "$(dirname "${BASH_SOURCE[0]}")/deploy/init-job.sh" multi-region-setup "$@"
