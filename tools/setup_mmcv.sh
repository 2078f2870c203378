# mmcv-full for the torch that is there: which operators, under which key, compiled or out of the
# cache. Sourced by tools/setup.sh, never run.

SETUPTOOLS='setuptools>=70.1,<81' # mmcv-full's setup.py imports pkg_resources, gone in later ones
TOOLS_PATH=''

# need_build_tools: setuptools, wheel and ninja, in a scratch folder where the Python lacks them,
# so that its own setuptools stays as it is.
need_build_tools() {
  local found
  [[ -z $TOOLS_PATH ]] || return 0
  found="$("$PY" -c 'import ninja, pkg_resources, wheel; print(1)' 2>/dev/null || true)"
  [[ $found != 1 ]] || return 0
  pip_install 'fetching the build tools' --target "$WORK/tools" "$SETUPTOOLS" ninja wheel
  TOOLS_PATH="$WORK/tools"
  export PATH="$WORK/tools/bin:$PATH"
}

# cuda_home: the folder with the headers that belong to the nvcc on the PATH (which may be a link
# or a script somewhere else).
cuda_home() {
  if [[ -n ${CUDA_HOME:-} ]]; then
    echo "$CUDA_HOME"
    return
  fi
  : >"$WORK/empty.cu"
  nvcc --dryrun "$WORK/empty.cu" 2>&1 | sed -n 's/^#\$ TOP=//p' | head -n 1
}

# torch_headers CUDA_HOME: the folders of CUDA's library headers (cuBLAS, cuSPARSE, ...) among torch's
# own packages, where the toolkit came without them; parted by colons, as CPATH has them.
torch_headers() {
  [[ ! -f $1/include/cusparse.h ]] || return 0
  "$PY" -c 'import glob, nvidia
for root in nvidia.__path__: print(*glob.glob(root + "/*/include"), sep="\n")' 2>/dev/null |
    paste -sd : || true
}

# default_archs: one card of each generation (major number) that torch and nvcc both know; code for
# x.0 also runs on x.5 of the same generation.
default_archs() {
  local known arch major seen=' ' list=()
  known=" $(nvcc --list-gpu-code | sed -n 's/^sm_\([0-9]*\)\([0-9]\)$/\1.\2/p' | tr '\n' ' ')"
  for arch in $TORCH_ARCHS; do
    major=${arch%%.*}
    [[ $known == *" $arch "* && $seen != *" $major "* ]] || continue
    seen+="$major "
    list+=("$arch")
  done
  echo "${list[*]}"
}

# choose_flavour: sets FLAVOUR (cpu or cuda), ARCHS and KEY.
choose_flavour() {
  local nvcc_version
  FLAVOUR=cpu ARCHS=''
  if [[ $cuda == cuda || ($cuda == auto && -n $GPU_ARCHS) ]]; then
    FLAVOUR=cuda
    [[ -n $TORCH_CUDA ]] || die "torch $TORCH is a build without CUDA: install one with CUDA, or use --cpu"
    command -v nvcc >/dev/null ||
      die "no nvcc to compile the CUDA operators with: install the CUDA toolkit $TORCH_CUDA and put it on the PATH, or use --cpu"
    nvcc_version="$(nvcc --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')"
    [[ ${nvcc_version%%.*} == "${TORCH_CUDA%%.*}" ]] ||
      die "nvcc is of CUDA $nvcc_version and torch $TORCH of CUDA $TORCH_CUDA: put the nvcc of CUDA ${TORCH_CUDA%%.*} on the PATH, or use --cpu"
    ARCHS=${arch:-${TORCH_CUDA_ARCH_LIST:-${GPU_ARCHS:-$(default_archs)}}}
    [[ -n $ARCHS ]] || die "nvcc $nvcc_version and torch $TORCH know no card in common: name the cards with --arch"
    ARCHS="$(tr -s ' ;,' '\n' <<<"$ARCHS" | sort -Vu | paste -sd ' ')"
  elif [[ -n $arch ]]; then
    die '--arch is for CUDA operators: no GPU is visible, so add --cuda'
  elif [[ $cuda == auto && -n $TORCH_CUDA ]] && nvidia-smi -L 2>/dev/null | grep -q GPU; then
    say "nvidia-smi lists a GPU that torch $TORCH does not see (a driver older than CUDA $TORCH_CUDA?): CPU operators"
  fi
  KEY="$PY_TAG-$PLATFORM-torch$TORCH-$FLAVOUR"
  [[ $FLAVOUR == cpu ]] || KEY+="$nvcc_version-sm${ARCHS// /_}"
}

# find_wheel: the wheel for KEY, from the offline folder or the cache.
find_wheel() {
  local wheel
  for wheel in ${offline:+"$offline/$KEY"/mmcv_full-"$MMCV_VERSION"-*.whl} \
    "$CACHE/wheels/$KEY"/mmcv_full-"$MMCV_VERSION"-*.whl; do
    [[ ! -f $wheel ]] || { echo "$wheel" && return 0; }
  done
  return 1
}

install_mmcv() {
  local wheel stamp="$SITE/.mmdet_ps-setup"
  if ((!rebuild)) && [[ $MMCV == "$MMCV_VERSION" && $MMCV_OPS == "$FLAVOUR" ]] &&
    { [[ ! -f $stamp ]] || grep -qF " $KEY " "$stamp"; }; then
    say "keeping mmcv-full $MMCV ($MMCV_OPS operators)"
    return
  fi
  if ((rebuild)) || ! wheel="$(find_wheel)"; then
    compile_mmcv
    wheel="$(find_wheel)"
  fi
  pip_install "installing $wheel" --no-deps --force-reinstall "$wheel"
}

compile_progress() {
  local step
  step="$(log_part | grep -oE '^ *\[[0-9]+/[0-9]+\]' | tail -n 1 | tr -d '[] ' || true)"
  if [[ -z $step ]]; then
    echo "at the first sources ($((SECONDS - COMPILE_START)) s)"
  elif [[ ${step%/*} == "${step#*/}" ]]; then
    echo "linking ($((SECONDS - COMPILE_START)) s)"
  else
    echo "${step%/*} of ${step#*/} sources, $(((SECONDS - COMPILE_START) / 60)) min $(((SECONDS - COMPILE_START) % 60)) s"
  fi
}

need_compiler() {
  export CXX=${CXX:-$(command -v c++ || command -v g++ || command -v clang++ || true)}
  export CC=${CC:-$(command -v cc || command -v gcc || command -v clang || true)}
  if ! command -v ${CXX:-c++} >/dev/null || ! command -v ${CC:-cc} >/dev/null; then
    die 'no C++ compiler to build mmcv-full with: install one, for example with apt-get install g++, or name it with CXX and CC'
  fi
  ((HEADERS)) || die "Python.h of $PY is missing: install it, for example with apt-get install python${PY_VERSION%.*}-dev"
}

# fetch_source NAME==VERSION FOLDER: its source distribution.
fetch_source() {
  local what="collecting the source of $1"
  say "$what"
  need_build_tools
  PYTHONPATH="$TOOLS_PATH" run_logged "$what" pip_progress "$PY" -m pip download --dest "$2" \
    --no-deps --no-build-isolation --no-binary "${1%%=*}" "$1" || explain "$what"
}

# unpack_mmcv: mmcv-full's sources in $WORK, as they came.
unpack_mmcv() {
  rm -rf "$WORK/mmcv-full-$MMCV_VERSION"
  tar -xzf "$WORK/sdist/mmcv-full-$MMCV_VERSION.tar.gz" -C "$WORK" >>"$LOG" 2>&1 ||
    die "the source of mmcv-full $MMCV_VERSION cannot be unpacked (log: $LOG)"
}

# join_sources: three sources in place of the 73 of the CPU operators, each of which would read
# torch's headers for 5 to 15 s. What a part leaves behind must not change those after it: macros
# min and max end with their part; the bindings read Python's math.h, which makes fma() another
# function, and contour_expand.cpp has `using namespace std`, so these two are on their own;
# cpu/roi_align.cpp defines names that two others define too.
join_sources() {
  local folder="$WORK/mmcv-full-$MMCV_VERSION/mmcv/ops/csrc/pytorch" part joined
  local bindings=(pybind.cpp contour_expand.cpp)
  local operators=(cpu/roi_align_rotated.cpp cpu/rotated_feature_align.cpp) cpu=()
  for part in "${bindings[@]}" "${operators[@]}"; do
    [[ -f $folder/$part ]] || return 1
  done
  for part in "$folder"/*.cpp "$folder"/cpu/*.cpp; do
    part=${part#"$folder/"}
    [[ " ${bindings[*]} ${operators[*]} " != *" $part "* ]] || continue
    if [[ $part == cpu/* ]]; then cpu+=("$part"); else operators+=("$part"); fi
  done
  for joined in bindings operators cpu; do
    local -n parts=$joined
    for part in "${parts[@]}"; do
      mv "$folder/$part" "$folder/$part.part" || return 1 # setup.py takes every .cpp
      printf '#include "%s.part"\n#undef min\n#undef max\n' "$part"
    done >"$folder/joined_$joined.cpp" || return 1
  done
}

# build_mmcv WHAT: makes a wheel of the unpacked sources in $WORK/wheel and loads all its operators.
build_mmcv() {
  local jobs memory home headers flavour=(FORCE_CUDA=0 CUDA_VISIBLE_DEVICES='')
  memory="$(awk '/MemAvailable/ {print int($2 / 2097152)}' /proc/meminfo 2>/dev/null || echo 2)"
  jobs="$(nproc 2>/dev/null || echo 2)"
  ((memory >= jobs)) || jobs=$((memory > 0 ? memory : 1)) # 2 GB a compiler
  if [[ $FLAVOUR == cuda ]]; then
    home="$(cuda_home)"
    headers="$(torch_headers "$home")"
    flavour=(FORCE_CUDA=1 TORCH_CUDA_ARCH_LIST="$ARCHS" CUDA_HOME="$home")
    [[ -z $headers ]] || flavour+=(CPATH="${CPATH:+$CPATH:}$headers")
  fi
  rm -rf "$WORK/wheel" "$WORK/tmp"
  mkdir -p "$WORK/wheel" "$WORK/tmp"
  run_logged "$1" compile_progress env MMCV_WITH_OPS=1 CFLAGS='-g0 -O2 -w' \
    MAX_JOBS="${MAX_JOBS:-$jobs}" TMPDIR="$WORK/tmp" PYTHONPATH="$TOOLS_PATH" \
    PATH="$(dirname "$PY"):$PATH" "${flavour[@]}" "$PY" -m pip wheel -v --no-deps \
    --no-build-isolation --no-cache-dir --wheel-dir "$WORK/wheel" \
    "$WORK/mmcv-full-$MMCV_VERSION" || return 1
  run_logged 'loading the operators' true "$PY" -c 'import sys, zipfile
zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])
sys.path[0] = sys.argv[2]
import mmcv.ops' "$WORK"/wheel/mmcv_full-*.whl "$WORK/tmp/unpacked"
}

# compile_mmcv: compiles in a scratch folder and moves the checked wheel under its key at the end.
compile_mmcv() {
  local what="compiling mmcv-full $MMCV_VERSION ($FLAVOUR operators)" problem=''
  need_compiler
  need_build_tools
  need_space "$WORK" 3 'compiling mmcv-full'
  fetch_source "mmcv-full==$MMCV_VERSION" "$WORK/sdist"
  unpack_mmcv
  COMPILE_START=$SECONDS
  say "$what for torch $TORCH${ARCHS:+, cards $ARCHS} (log: $LOG)"
  if [[ $FLAVOUR == cuda ]]; then
    problem='the sources of CUDA operators are not joined'
  elif ! join_sources; then
    problem="the sources are not laid out as those of mmcv-full $MMCV_VERSION"
  elif ! build_mmcv "$what"; then
    problem="the joined sources do not compile or load ($(failure_cause))"
  fi
  if [[ -n $problem ]]; then
    say "$problem: compiling them one by one, about 15 minutes of one core, CUDA more"
    unpack_mmcv
    build_mmcv "$what" || explain "$what"
  fi
  rm -rf "$CACHE/wheels/$KEY"
  mv "$WORK/wheel" "$CACHE/wheels/$KEY"
  say "compiled in $(((SECONDS - COMPILE_START) / 60)) min $(((SECONDS - COMPILE_START) % 60)) s; kept as $CACHE/wheels/$KEY"
}
