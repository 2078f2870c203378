#!/usr/bin/env bash
# usage: tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
#
# Trains on GPUS processes of this machine (on a machine without a GPU: so many CPU processes).
# On several machines, run it on each with
#   NNODES       how many machines there are (1)
#   NODE_RANK    which of them this is, from 0 (0)
#   MASTER_ADDR  address of the machine with rank 0 (127.0.0.1)
#   PORT         a free port on that machine (29500; one machine alone finds one by itself)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_arguments 2 "$@"
config=$1 gpus=$2
shift 2
need_file config "$config"
run_distributed "$gpus" "$ROOT/tools/train.py" "$config" --launcher pytorch "$@"
