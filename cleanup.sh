#!/usr/bin/env bash
# The same as `make undeploy`.
exec make --directory "$(dirname "${BASH_SOURCE[0]}")" undeploy "$@"
