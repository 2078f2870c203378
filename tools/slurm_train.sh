#!/usr/bin/env bash
# usage: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [WORK_DIR] [arguments of tools/train.py]
#
# Trains under srun, one process a GPU. WORK_DIR is work_dirs/NAME_OF_CONFIG unless it is given.
#   GPUS           processes in all (8)
#   GPUS_PER_NODE  processes a machine (GPUS, at most 8)
#   CPUS_PER_TASK  cores a process (5)
#   SIGNAL         what a job is sent before its time is up: NAME@SECONDS (TERM@120)
#   SRUN_ARGS      more arguments of srun
# A job that is requeued after a preemption goes on where it was with --auto-resume.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_arguments 3 "$@"
partition=$1 job_name=$2 config=$3
shift 3
need_file config "$config"
work_dir="work_dirs/$(basename "$config" .py)"
if (($#)) && [[ $1 != -* ]]; then
  work_dir=$1
  shift
fi
run_slurm "$partition" "$job_name" "$ROOT/tools/train.py" "$config" --work-dir "$work_dir" \
  --launcher slurm "$@"
