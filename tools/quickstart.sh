#!/usr/bin/env bash
# usage: tools/quickstart.sh [--here] [--cuda | --cpu] [--figures] [--force]
#
# From a bare checkout to a trained model: sets up what is missing, makes synthetic person search
# data, trains a small AlignPS on it, tests it on people that it has never seen, prints mAP and
# top-1 beside three yardsticks, and draws ranked search results. A step that was done already is
# left out unless the configs have changed; one that was interrupted is done again, a training goes
# on where it was.
#
#   --here, --cuda, --cpu   as in tools/setup.sh
#   --figures               also trains a small ROI-AlignPS, which takes about as long as the training
#                           before (8 minutes on 2 cores), and draws Figures 7, 9, 10 and 11 of the
#                           paper into work_dirs/figures
#   --force                 do every step again
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_arguments 0 "$@"
take_setup_arguments "$@"
force=0 figures=0
for argument in "${REST[@]}"; do
  case $argument in
    --figures) figures=1 SETUP+=(--extras) ;;
    --force) force=1 ;;
    *) die "unknown argument $argument (see --help)" ;;
  esac
done
set_up "${SETUP[@]}"
cd "$ROOT"

CONFIG=configs/synthetic/alignps_tiny.py
DATA=data/synthetic
RUN=work_dirs/alignps_tiny
STEPS=0 # seconds
BEFORE=() # stamps of the steps that the next one builds on
export PYTHONUNBUFFERED=1

# step TITLE OUTPUT COMMAND...: runs the command, unless the very same one has made OUTPUT before, to
# its end and since the steps before it ran. What makes a .txt makes it by printing.
step() {
  local title=$1 output=$2 stamp started=$SECONDS previous
  shift 2
  stamp="$RUN/.quickstart/${title// /_}"
  for previous in "${BEFORE[@]}"; do
    [[ ! $stamp -ot $previous ]] || force=1
  done
  BEFORE=("$stamp")
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

# forget_other CONFIG...: what was trained on other data, with other configs or before --force is not
# to be resumed from.
forget_other() {
  local made_from
  made_from=$(find configs/_base_ "$@" "$DATA/train.json" -type f -print0 | sort -z |
    xargs -0 cat | cksum)
  if ((force)) || [[ $(cat "$RUN/.quickstart/made_from" 2>/dev/null) != "$made_from" ]]; then
    force=1
    rm -f "$RUN"/*.pth
  fi
  mkdir -p "$RUN/.quickstart"
  printf '%s\n' "$made_from" >"$RUN/.quickstart/made_from"
}

step 'Making the data' "$DATA/annotation/pool.mat" \
  tools/dataset_converters/make_synthetic.py --layout cuhk_sysu --out "$DATA" --train-images 480 \
  --test-images 160 --identities 320 --size 480x288 --seed 0 --force
step 'Converting the data' "$DATA/train.json" \
  tools/dataset_converters/cuhk_sysu.py "$DATA" --force
converted=("${BEFORE[@]}") new_data=$force
forget_other "$CONFIG"
step 'Training' "$RUN/latest.pth" \
  tools/train.py "$CONFIG" --work-dir "$RUN" --seed 0 --auto-resume
step 'Testing' "$RUN/results.json" \
  tools/test_ps.py "$CONFIG" "$RUN/latest.pth" --out "$RUN/results.npz" --json "$RUN/results.json"
step 'Drawing search results' "$RUN/search.png" \
  tools/analysis/visualize_search.py "$CONFIG" --results "$RUN/results.npz" --out "$RUN/search.png"
step 'Measuring the yardsticks' "$RUN/yardsticks.txt" \
  tools/analysis/yardsticks.py "$CONFIG" --results "$RUN/results.npz"

if ((figures)); then
  ALIGNPS=$CONFIG ALIGNPS_RUN=$RUN
  CONFIG=configs/synthetic/roi_alignps_tiny.py
  RUN=work_dirs/roi_alignps_tiny FIGURES=work_dirs/figures
  galleries=(--gallery-sizes 50 100 all)
  measured=("${BEFORE[@]}") new_alignps=$force
  BEFORE=("${converted[@]}") force=$new_data
  forget_other "$ALIGNPS" "$CONFIG"
  step 'Training ROI-AlignPS' "$RUN/latest.pth" \
    tools/train.py "$CONFIG" --work-dir "$RUN" --seed 0 --auto-resume
  step 'Testing ROI-AlignPS' "$RUN/results.npz" \
    tools/test_ps.py "$CONFIG" "$RUN/latest.pth" "${galleries[@]}" --out "$RUN/results.npz" \
    --json "$FIGURES/roi_alignps.json" --save-ranking "$FIGURES/roi_alignps.npz"
  RUN=$FIGURES
  BEFORE+=("${measured[@]}")
  ((!new_alignps)) || force=1
  step 'Ranking with AlignPS' "$FIGURES/alignps.npz" \
    tools/test_ps.py "$ALIGNPS" --results "$ALIGNPS_RUN/results.npz" "${galleries[@]}" \
    --json "$FIGURES/alignps.json" --save-ranking "$FIGURES/alignps.npz"
  step 'Drawing Fig. 7' "$FIGURES/fig7_sampling_locations.png" \
    tools/analysis/sampling_locations.py "$ALIGNPS" "$ALIGNPS_RUN/latest.pth" \
    "$DATA/Image/SSM/s481.jpg" --out "$FIGURES/fig7_sampling_locations.png"
  step 'Drawing Fig. 9' "$FIGURES/fig9_features.png" \
    tools/analysis/plot_features.py "$CONFIG" work_dirs/roi_alignps_tiny/results.npz \
    --labels 'ROI-AlignPS, mutual information' --out "$FIGURES/fig9_features.png"
  step 'Drawing Fig. 10' "$FIGURES/fig10_compared.png" \
    tools/analysis/compare_search.py "$CONFIG" "$FIGURES/alignps.npz" "$FIGURES/roi_alignps.npz" \
    --labels AlignPS ROI-AlignPS --out "$FIGURES/fig10_compared.png"
  step 'Drawing Fig. 11' "$FIGURES/fig11_gallery_sizes.png" \
    tools/analysis/plot_gallery_curve.py "$FIGURES/alignps.json" "$FIGURES/roi_alignps.json" \
    --labels AlignPS ROI-AlignPS --out "$FIGURES/fig11_gallery_sizes.png"
  say "figures: $FIGURES/*.png"
fi
say "search results: work_dirs/alignps_tiny/search.png; steps after set-up: $((STEPS / 60)) min $((STEPS % 60)) s"
