#!/usr/bin/env bash
# usage: tools/setup.sh [--here] [--extras | --dev] [--cuda | --cpu] [--arch LIST] [--rebuild] [--offline DIR] | --download DIR --python X.Y [--without NAMES]
#
# Installs everything that mmdet_ps needs, and the package itself (editable). A second run takes
# seconds. mmcv-full is compiled once (about a minute on 2 cores) and kept as a wheel in
# ${XDG_CACHE_HOME:-~/.cache}/mmdet_ps.
#
#   --here            into the Python that is active, around the torch 2.1 - 2.11 that it has;
#                     without it: into .venv, made with $PYTHON or a python3.11, 3.12 or 3.10
#   --extras          also what single capabilities need (galleries, page, downloads, t-SNE); .venv always
#                     gets it
#   --dev             also what lint and tests need, and --extras
#   --cuda            compile the CUDA operators even where no GPU is visible (needs nvcc)
#   --cpu             compile CPU operators only, also where there is a GPU
#   --arch LIST       cards to compile CUDA operators for, such as '8.0 9.0'; without it: those that
#                     are visible, else one of each generation that torch and nvcc both know
#   --rebuild         compile mmcv-full anew
#   --dry-run         say what would be installed and compiled, and stop
#
# For a machine without a network (Linux, x86-64):
#   --download DIR    collect what it needs in DIR; needs --python, the X.Y of the Python there
#   --without-torch   leave torch out, because it has one
#   --without NAMES   leave out what else it has, such as 'numpy,scipy'
#   --offline DIR     (there) install from DIR and ask no network; also takes an mmcv-full wheel
#                     out of DIR/KEY, where KEY is what --dry-run prints
#
# Exit code: 0 done; 2 something is missing, and one line says what to install or do.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$ROOT/tools/setup_pip.sh"
source "$ROOT/tools/setup_mmcv.sh"

TORCH_PINS=(torch==2.11.0 torchvision==0.26.0)
MMCV_VERSION=1.7.2
MMDET_VERSION=2.28.2
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/mmdet_ps"

here=0 extra='' rebuild=0 dry_run=0 cuda=auto arch='' offline='' download='' target='' without=''
parse_arguments() {
  while (($#)); do
    case $1 in
      --here) here=1 ;;
      --extras) extra=${extra:-extras} ;;
      --dev) extra=dev ;;
      --rebuild) rebuild=1 ;;
      --dry-run) dry_run=1 ;;
      --cuda | --cpu)
        [[ $cuda == auto || $cuda == "${1#--}" ]] || die '--cuda and --cpu exclude each other'
        cuda=${1#--}
        ;;
      --without-torch) without+=,torch,torchvision ;;
      --arch | --offline | --download | --python | --without)
        (($# > 1)) || die "$1 needs a value (see --help)"
        case $1 in
          --arch) arch=$2 ;;
          --offline) offline=$2 ;;
          --download) download=$2 ;;
          --python) target=$2 ;;
          --without) without+=,$2 ;;
        esac
        shift
        ;;
      *) die "unknown argument $1 (see --help)" ;;
    esac
    shift
  done
  ((here)) || [[ -n $download ]] || extra=${extra:-extras}
  if [[ -n $download ]]; then
    [[ -z $offline ]] || die '--download and --offline exclude each other'
    [[ $target =~ ^3\.1[0-2]$ ]] ||
      die "--download needs --python 3.10, 3.11 or 3.12, the Python of the other machine, not '$target'"
  else
    [[ -z $target$without ]] || die '--python and --without belong to --download'
  fi
  if [[ -n $offline ]]; then
    [[ -d $offline ]] || die "--offline $offline is not a folder: make it with --download where there is a network"
    offline="$(cd "$offline" && pwd)"
  fi
  [[ -z $arch || $arch =~ ^[0-9]+\.[0-9]+a?(\+PTX)?([ \;,][0-9]+\.[0-9]+a?(\+PTX)?)*$ ]] ||
    die "--arch must be a list like '8.0 9.0', not '$arch'"
}

# ---- the Python -------------------------------------------------------------------------------

probe() {
  local found
  found="$(cd / && PYTHONPATH='' "$1" "$ROOT/tools/setup_probe.py" 2>/dev/null)" ||
    die "$1 does not run tools/setup_probe.py: it must be a Python 3.10 - 3.12"
  eval "$found"
}

# Not 3.13: mmcv-full's setup.py fails on it (KeyError: '__version__'), already when pip fetches it.
supported() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }

# base_python: the interpreter that makes .venv.
base_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.10 python3}; do
    if supported "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.10 - 3.12 (${PYTHON:-python3} is $("${PYTHON:-python3}" -V 2>&1 | head -n 1)): install one, for example with apt-get install python3.11 python3.11-venv, or name it with PYTHON=/path/to/python"
}

choose_python() {
  local base
  if ((here)); then
    PY="$(command -v "${PYTHON:-${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/}python3}")" ||
      die "no ${PYTHON:-python3} on the PATH: activate an environment, or leave --here out"
    [[ $PY == /* ]] || PY="$PWD/$PY"
    supported "$PY" || die "the active Python ($PY, $("$PY" -V 2>&1)) is not a Python 3.10 - 3.12: activate another, or leave --here out"
  else
    PY="$ROOT/.venv/bin/python"
    if [[ ! -x $PY ]] || ! "$PY" -m pip --version >/dev/null 2>&1; then
      base="$(base_python)"
      if ((dry_run)); then
        PY=$base
        return
      fi
      need_space "$ROOT" 8 'the environment with torch'
      say "making .venv with $("$base" -V)"
      "$base" -m venv "$ROOT/.venv" >>"$LOG" 2>&1 ||
        die "$base cannot make a virtual environment: install its venv module, for example with apt-get install python$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv (log: $LOG)"
    fi
    supported "$PY" || die "$ROOT/.venv holds $("$PY" -V 2>&1), not 3.10 - 3.12: remove that folder and run this again"
  fi
  "$PY" -m pip --version >/dev/null 2>&1 ||
    die "$PY has no pip: install it, for example with $PY -m ensurepip or apt-get install python3-pip"
}

# ---- torch, requirements, package -------------------------------------------------------------

torch_fits() {
  [[ $TORCH =~ ^2\.([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 1 && BASH_REMATCH[1] <= 11)) &&
    [[ $VISION == "0.$((BASH_REMATCH[1] + 15))."* ]]
}

install_torch() {
  if torch_fits; then
    say "keeping torch $TORCH and torchvision $VISION"
    return
  elif ((here)) && [[ -n $TORCH$TORCH_ERROR ]]; then
    die "torch ${TORCH:-that does not import} with torchvision ${VISION:-that does not import}${TORCH_ERROR:+ ($TORCH_ERROR)} in $PY is not a pair from 2.1 and 0.16 to 2.11 and 0.26: mend it, or leave --here out"
  elif ((dry_run)); then
    say "would install ${TORCH_PINS[*]}; the key supposes its build for CUDA 13"
    TORCH=2.11.0+cu130 TORCH_CUDA=13.0 TORCH_ARCHS='7.5 8.0 9.0 10.0 12.0'
    return
  fi
  need_space "$PREFIX" 6 'torch'
  pip_install "installing ${TORCH_PINS[*]} (2.5 GB to fetch, 5 GB on disk)" "${TORCH_PINS[@]}"
  probe "$PY"
  torch_fits || die "torch was installed but does not import: ${TORCH_ERROR:-$TORCH with torchvision $VISION} (log: $LOG)"
}

# Requirements without what is installed in its own way, and without an OpenCV where the Python
# has one under another name (two packages would share the folder cv2).
write_requirements() {
  local files=("$ROOT/requirements.txt")
  [[ -z $extra ]] || files+=("$ROOT"/requirements/{download,gallery,plots,web}.txt)
  [[ $extra != dev ]] || files+=("$ROOT/requirements/dev.txt")
  cat "${files[@]}" | grep -vE '^(#|$|torch|torchvision|mmcv-full|mmdet)([^a-z]|$)' >"$WORK/requirements.txt"
  if ((${OPENCV:-0})); then
    sed -i '/^opencv/d' "$WORK/requirements.txt"
  fi
  [[ ! $TORCH =~ ^2\.[12]\. ]] || echo 'numpy<2' >>"$WORK/requirements.txt" # as torch was compiled
}

install_requirements() {
  local pins=()
  write_requirements
  ((here)) || [[ $PY_TAG == cp310 || $TORCH =~ ^2\.[12]\. ]] || pins=(-c "$ROOT/requirements/pinned.txt")
  pip_install 'installing the requirements' "${pins[@]}" -r "$WORK/requirements.txt"
}

# What the stamp in the environment says when nothing is left to do.
stamp_text() {
  cat "$ROOT"/requirements.txt "$ROOT"/requirements/*.txt "$ROOT/setup.py" | cksum
  echo "$ROOT $KEY mmdet-$MMDET_VERSION"
}

is_set_up() {
  local stamp="$SITE/.mmdet_ps-setup"
  ((!rebuild)) && [[ $MMCV == "$MMCV_VERSION" && $MMCV_OPS == "$FLAVOUR" && $MMDET == "$MMDET_VERSION" ]] &&
    [[ $PACKAGE == "$ROOT" && -f $stamp && $(cat "$stamp") == "$(stamp_text)"* ]] &&
    [[ -z $extra || " $extra dev " == *" $(tail -n 1 "$stamp") "* ]]
}

write_stamp() {
  { stamp_text && { [[ -z $extra ]] || echo "$extra"; }; } >"$WORK/stamp"
  mv "$WORK/stamp" "$SITE/.mmdet_ps-setup" 2>/dev/null || true # a Python of somebody else's
}

set_up() {
  choose_python
  probe "$PY"
  ((!MANAGED)) || export PIP_BREAK_SYSTEM_PACKAGES=1 # --here asked for the system's own Python
  install_torch
  choose_flavour
  if ((dry_run)); then
    echo "python: $PY ($PY_VERSION)"
    echo "torch: $TORCH"
    echo "operators: $FLAVOUR${ARCHS:+ for $ARCHS}"
    echo "key: $KEY"
    echo "wheel: $(find_wheel || echo 'none yet: would compile')"
    return
  fi
  if is_set_up; then
    say "$PREFIX is set up already"
    return
  fi
  ((!MANAGED)) || say "$PY belongs to the operating system: installing with --break-system-packages"
  install_requirements
  install_mmcv
  pip_install "installing mmdet $MMDET_VERSION" --no-deps "mmdet==$MMDET_VERSION"
  need_build_tools
  PYTHONPATH="$TOOLS_PATH" pip_install 'installing mmdet_ps (editable)' --no-deps --no-build-isolation -e "$ROOT"
  probe "$PY"
  [[ $MMCV_OPS == "$FLAVOUR" && $MMDET == "$MMDET_VERSION" ]] ||
    die "mmcv-full ${MMCV:-is missing} ($MMCV_OPS operators, wanted $FLAVOUR) or mmdet ${MMDET:-is missing}: run this again with --rebuild (log: $LOG)"
  write_stamp
  say "done: $PREFIX has torch $TORCH, mmcv-full $MMCV ($MMCV_OPS operators), mmdet $MMDET"
}

# ---- for a machine without a network ----------------------------------------------------------

collect() {
  local name file platforms=() pins=() what wheels
  mkdir -p "$download" 2>/dev/null || die "cannot make the folder $download"
  download="$(cd "$download" && pwd)"
  PY="$ROOT/.venv/bin/python"
  [[ -x $PY ]] || PY="$(base_python)"
  TORCH='' OPENCV=0
  write_requirements
  # tomli and exceptiongroup: pip takes the markers of this Python, not of the one over there.
  printf '%s\n' "$SETUPTOOLS" ninja wheel tomli exceptiongroup typing_extensions >>"$WORK/requirements.txt"
  [[ ,$without, == *,torch,* ]] || printf '%s\n' "${TORCH_PINS[@]}" >>"$WORK/requirements.txt"
  [[ $target == 3.10 ]] || pins=(-c "$ROOT/requirements/pinned.txt")
  for name in manylinux1 manylinux2010 manylinux2014 manylinux_2_{5,12,17,24,26,27,28}; do
    platforms+=(--platform "${name}_x86_64")
  done
  wheels=(--dest "$download" --only-binary :all: --implementation cp --python-version "$target" "${platforms[@]}")
  # Pure Python ones are asked for on their own, because a registry may have them as source only.
  for name in addict==2.4.0 terminaltables==3.1.10 "mmdet==$MMDET_VERSION"; do
    sed -i "/^${name%%=*}/d" "$WORK/requirements.txt"
    what="collecting $name"
    say "$what"
    run_logged "$what" pip_progress "$PY" -m pip download --no-deps "${wheels[@]}" "$name" ||
      fetch_source "$name" "$download"
  done
  what="collecting the wheels for Python $target"
  say "$what"
  run_logged "$what" pip_progress "$PY" -m pip download "${wheels[@]}" "${pins[@]}" -r "$WORK/requirements.txt" ||
    explain "$what"
  fetch_source "mmcv-full==$MMCV_VERSION" "$download"
  for name in ${without//,/ }; do
    for file in "$download/$(tr 'A-Z-' 'a-z_' <<<"$name")"-[0-9]*; do
      rm -f "$file"
    done
  done
  say "done: $download holds $(find "$download" -type f | wc -l) files, $(du -sm "$download" | cut -f 1) MB; on the other machine: tools/setup.sh --offline DIR --here"
}

for argument in "$@"; do
  [[ $argument != -h && $argument != --help ]] || { show_help && exit 0; }
done
parse_arguments "$@"
start_log
if [[ -n $download ]]; then
  collect
else
  set_up
fi
