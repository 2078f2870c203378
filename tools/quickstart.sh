#!/usr/bin/env bash
# usage: tools/quickstart.sh [--here] [--cuda | --cpu] [--force]
#
# From a bare checkout to a trained model: sets up what is missing, makes synthetic person search
# data, trains a small AlignPS on it, tests it on people that it has never seen, prints mAP and
# top-1 beside three yardsticks, and draws ranked search results. A step that was done already is
# left out unless the configs have changed; one that was interrupted is done again, a training goes
# on where it was.
#
#   --here, --cuda, --cpu   as in tools/setup.sh
#   --force                 do every step again
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_arguments 0 "$@"
take_setup_arguments "$@"
force=0
for argument in "${REST[@]}"; do
  [[ $argument == --force ]] || die "unknown argument $argument (see --help)"
  force=1
done
set_up "${SETUP[@]}"
cd "$ROOT"

CONFIG=configs/synthetic/alignps_tiny.py
DATA=data/synthetic
RUN=work_dirs/alignps_tiny
STEPS=0 # seconds
BEFORE='' # stamp of the step before
export PYTHONUNBUFFERED=1

# step TITLE OUTPUT COMMAND...: runs the command, unless the very same one has made OUTPUT before, to
# its end and since the step before it ran. What makes a .txt makes it by printing.
step() {
  local title=$1 output=$2 stamp started=$SECONDS previous=$BEFORE
  shift 2
  stamp="$RUN/.quickstart/${title// /_}"
  BEFORE=$stamp
  [[ -z $previous || ! $stamp -ot $previous ]] || force=1
  if ((!force)) && [[ -e $output && -f $stamp && $(cat "$stamp") == "$*" ]]; then
    say "$title: done before ($output)"
    [[ $output != *.txt ]] || cat "$output"
    return
  fi
  force=1
  mkdir -p "$RUN/.quickstart"
  rm -f "$stamp"
  say "$title"
  if [[ $output == *.txt ]]; then
    "$PYTHON" "$@" | tee "$stamp.part"
    mv "$stamp.part" "$output"
  else
    "$PYTHON" "$@"
  fi
  printf '%s\n' "$*" >"$stamp"
  STEPS=$((STEPS + SECONDS - started))
  say "$title: $((SECONDS - started)) s"
}

step 'Making the data' "$DATA/annotation/pool.mat" \
  tools/dataset_converters/make_synthetic.py --layout cuhk_sysu --out "$DATA" --train-images 480 \
  --test-images 160 --identities 320 --size 480x288 --seed 0 --force
step 'Converting the data' "$DATA/train.json" \
  tools/dataset_converters/cuhk_sysu.py "$DATA" --force
made_from=$(find configs/_base_ "$CONFIG" "$DATA/train.json" -type f -print0 | sort -z |
  xargs -0 cat | cksum)
if ((force)) || [[ $(cat "$RUN/.quickstart/made_from" 2>/dev/null) != "$made_from" ]]; then
  force=1
  rm -f "$RUN"/*.pth # of other data, other configs or before --force: not to be resumed from
fi
printf '%s\n' "$made_from" >"$RUN/.quickstart/made_from"
step 'Training' "$RUN/latest.pth" \
  tools/train.py "$CONFIG" --work-dir "$RUN" --seed 0 --auto-resume
step 'Testing' "$RUN/results.json" \
  tools/test_ps.py "$CONFIG" "$RUN/latest.pth" --out "$RUN/results.npz" --json "$RUN/results.json"
step 'Drawing search results' "$RUN/search.png" \
  tools/analysis/visualize_search.py "$CONFIG" --results "$RUN/results.npz" --out "$RUN/search.png"
step 'Measuring the yardsticks' "$RUN/yardsticks.txt" \
  tools/analysis/yardsticks.py "$CONFIG" --results "$RUN/results.npz"
say "search results: $RUN/search.png; steps after set-up: $((STEPS / 60)) min $((STEPS % 60)) s"
