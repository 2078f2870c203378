# What the shell tools share. Sourced by them, never run.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TOOL="tools/$(basename "$0")"

# The comment block at the top of the calling script is its help; the block's first line its usage.
show_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

usage_error() {
  printf '%s: error: %s\n' "$TOOL" "$(sed -n '2s/^# //p' "$0")" >&2
  exit 2
}

die() {
  printf '%s: error: %s\n' "$TOOL" "$*" >&2
  exit 2
}

say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# need_arguments N "$@": answers --help, and asks for at least N arguments.
need_arguments() {
  local wanted=$1 argument
  shift
  for argument in "$@"; do
    [[ $argument == -h || $argument == --help ]] && show_help && exit 0
  done
  (($# >= wanted)) || usage_error
}

need_file() { [[ -f $2 ]] || die "$1 $2 does not exist (paths are relative to $PWD)"; }

need_count() { [[ $2 =~ ^[1-9][0-9]*$ ]] || die "$1 must be a whole number of at least 1, not '$2'"; }

# The Python to run with: $PYTHON, else the active virtual environment's, else the one that
# tools/setup.sh made, else the one on the PATH.
find_python() {
  if [[ -n ${PYTHON:-} ]]; then
    command -v "$PYTHON" || die "PYTHON=$PYTHON is not an executable"
  elif [[ -n ${VIRTUAL_ENV:-} ]]; then
    command -v "$VIRTUAL_ENV/bin/python" || die "the active environment $VIRTUAL_ENV has no Python"
  elif [[ -x $ROOT/.venv/bin/python ]]; then
    echo "$ROOT/.venv/bin/python"
  else
    command -v python3 || die "no Python here: run tools/setup.sh first"
  fi
}

# The package is found without being installed, and first of all in this checkout.
use_checkout() { export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"; }

# run_distributed GPUS SCRIPT [ARGUMENT...]: the script in GPUS processes on each of NNODES machines.
run_distributed() {
  local gpus=$1 python rendezvous
  shift
  need_count GPUS "$gpus"
  need_count NNODES "${NNODES:-1}"
  python="$(find_python)"
  use_checkout
  if ((${NNODES:-1} == 1)) && [[ -z ${PORT:-} ]]; then
    rendezvous=(--standalone) # picks a free port, so that two jobs fit on one machine
  else
    rendezvous=(--node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}"
      --master_port="${PORT:-29500}")
  fi
  exec "$python" -m torch.distributed.run --nnodes="${NNODES:-1}" --nproc_per_node="$gpus" \
    "${rendezvous[@]}" "$@"
}

# run_slurm PARTITION JOB_NAME SCRIPT [ARGUMENT...]: the script in GPUS processes under srun.
run_slurm() {
  local partition=$1 job_name=$2 python
  local gpus=${GPUS:-8} cpus=${CPUS_PER_TASK:-5}
  local per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
  shift 2
  need_count GPUS "$gpus"
  need_count GPUS_PER_NODE "$per_node"
  need_count CPUS_PER_TASK "$cpus"
  command -v srun >/dev/null || die "srun is not on the PATH: run this on a login node of a Slurm cluster"
  python="$(find_python)"
  use_checkout
  # exec, so that a signal to this script is srun's, which passes it on to every process;
  # SRUN_ARGS is split into words on purpose.
  # shellcheck disable=SC2086
  exec srun --partition="$partition" --job-name="$job_name" --gres="gpu:$per_node" \
    --ntasks="$gpus" --ntasks-per-node="$per_node" --cpus-per-task="$cpus" \
    --kill-on-bad-exit=1 --signal="${SIGNAL:-TERM@120}" ${SRUN_ARGS:-} "$python" -u "$@"
}

# take_setup_arguments ARGUMENT...: sorts those of tools/setup.sh into SETUP and the others into REST.
take_setup_arguments() {
  SETUP=() REST=()
  while (($#)); do
    case $1 in
      --here | --cuda | --cpu) SETUP+=("$1") ;;
      *) REST+=("$1") ;;
    esac
    shift
  done
}

# set_up ARGUMENT...: runs tools/setup.sh and sets PYTHON to what was set up.
set_up() {
  bash "$ROOT/tools/setup.sh" "$@"
  if [[ " $* " == *' --here '* ]]; then
    PYTHON="$(find_python)"
  else
    PYTHON="$ROOT/.venv/bin/python"
  fi
  # Operators that were compiled for the CPU must not meet a GPU.
  [[ " $* " != *' --cpu '* ]] || export CUDA_VISIBLE_DEVICES=''
}
