#!/usr/bin/env bash
# usage: tools/quickstart.sh [--here] [--cuda | --cpu] [--force]
#
# From a bare checkout to a trained model: sets up what is missing, makes synthetic person search
# data, trains a small AlignPS on it, tests it on people that it has never seen, prints mAP and
# top-1 beside three yardsticks, and draws ranked search results. A step that was done already is
# left out, a training that was interrupted goes on.
#
#   --here, --cuda, --cpu   as in tools/setup.sh
#   --force                 do every step again
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_arguments 0 "$@"
set_up_with "$@"
shift "$SETUP_ARGUMENTS"
force=0
if [[ ${1:-} == --force ]]; then
  force=1
  shift
fi
(($# == 0)) || die "unknown argument $1 (see --help)"
cd "$ROOT"

CONFIG=configs/synthetic/alignps_tiny.py
DATA=data/synthetic
RUN=work_dirs/alignps_tiny
STEPS=0

# step TITLE OUTPUT COMMAND...: runs the command unless the very same one has made OUTPUT before and
# no step before it had to run now.
step() {
  local title=$1 output=$2 stamp started=$SECONDS
  shift 2
  stamp="$RUN/.quickstart/$(tr -c 'a-z\n' '_' <<<"${title,,}")"
  if ((!force)) && [[ -e $output && -f $stamp && $(cat "$stamp") == "$*" ]]; then
    say "$title: done before ($output)"
    return
  fi
  force=1
  rm -f "$stamp"
  say "$title"
  "$PYTHON" "$@" || die "$title failed; the command was: $PYTHON $*"
  mkdir -p "$(dirname "$stamp")"
  printf '%s\n' "$*" >"$stamp"
  STEPS=$((STEPS + SECONDS - started))
  say "$title: $((SECONDS - started)) s"
}

step 'Making the data' "$DATA/annotation/test/train_test/TestG50.mat" \
  tools/dataset_converters/make_synthetic.py --layout cuhk_sysu --out "$DATA" --train-images 480 \
  --test-images 160 --identities 320 --size 480x288 --seed 0 --force
step 'Converting the data' "$DATA/train.json" \
  tools/dataset_converters/cuhk_sysu.py "$DATA" --force
step 'Training' "$RUN/latest.pth" \
  tools/train.py "$CONFIG" --work-dir "$RUN" --seed 0 --auto-resume
step 'Testing' "$RUN/results.json" \
  tools/test_ps.py "$CONFIG" "$RUN/latest.pth" --out "$RUN/results.pkl" --json "$RUN/results.json"
step 'Measuring the yardsticks' "$RUN/results.pkl" \
  tools/analysis/yardsticks.py "$CONFIG" --results "$RUN/results.pkl"
step 'Drawing search results' "$RUN/search.png" \
  tools/analysis/visualize_search.py "$CONFIG" --results "$RUN/results.pkl" --out "$RUN/search.png"
say "all steps done in $((STEPS / 60)) min $((STEPS % 60)) s after set-up; search results: $RUN/search.png"
