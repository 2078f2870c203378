#!/usr/bin/env bash
# usage: tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test_ps.py]
#
# Tests under srun, one process a GPU; GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SIGNAL and SRUN_ARGS as
# in tools/slurm_train.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_arguments 4 "$@"
partition=$1 job_name=$2 config=$3 checkpoint=$4
shift 4
need_file config "$config"
need_file checkpoint "$checkpoint"
run_slurm "$partition" "$job_name" "$ROOT/tools/test_ps.py" "$config" "$checkpoint" \
  --launcher slurm "$@"
