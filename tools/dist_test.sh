#!/usr/bin/env bash
# usage: tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test_ps.py]
#
# Tests on GPUS processes; NNODES, NODE_RANK, MASTER_ADDR and PORT as in tools/dist_train.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_arguments 3 "$@"
config=$1 checkpoint=$2 gpus=$3
shift 3
need_file config "$config"
need_file checkpoint "$checkpoint"
run_distributed "$gpus" "$ROOT/tools/test_ps.py" "$config" "$checkpoint" --launcher pytorch "$@"
