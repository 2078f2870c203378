# Steps that take long, pip's above all: their log, how far they are, and why they failed. Sourced by
# tools/setup.sh, never run.

LOG=''   # what pip and the compilers print
WORK=''  # scratch folder, removed at the end whatever happens
CHILD='' # process group of the step that is running

cleanup() {
  [[ -z $CHILD ]] || kill -TERM -- "-$CHILD" 2>/dev/null || true
  [[ -z $WORK ]] || rm -rf "$WORK"
  [[ -z $LOG || -s $LOG ]] || rm -f "$LOG"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# run_logged WHAT PROGRESS COMMAND...: the command with its output in $LOG, saying how far it is.
# PROGRESS is a function that prints a few words; it is asked every 2 seconds on a terminal, and
# else every 30.
run_logged() {
  local what=$1 progress=$2 started=$SECONDS shown=0 words='' status=0
  shift 2
  LOG_START=$(($(wc -c <"$LOG") + 1))
  set -m # a process group of its own, so that cleanup reaches the compilers too
  "$@" >>"$LOG" 2>&1 </dev/null &
  CHILD=$!
  set +m
  while kill -0 "$CHILD" 2>/dev/null; do
    sleep 0.5
    if [[ -t 1 ]]; then
      ((SECONDS - shown >= 2)) || continue
      printf '\r\033[K[%4ds] %s: %s' "$SECONDS" "$what" "$($progress)"
    else
      ((SECONDS - started >= 30 && SECONDS - shown >= 30)) || continue
      words="$($progress)"
      say "$what: $words"
    fi
    shown=$SECONDS
  done
  [[ ! -t 1 ]] || printf '\r\033[K'
  wait "$CHILD" || status=$?
  CHILD=''
  return "$status"
}

log_part() { tail -c "+$LOG_START" "$LOG"; }
log_has() { grep -qE "$1" <(log_part); }

pip_progress() {
  log_part | grep -oE '^ *(Collecting|Downloading|Installing collected packages|Building|Processing) *[^ ]*' |
    tail -n 1 | cut -c 1-80 | sed 's/^ *//' || true
}

# failure_cause: of what a failed step printed, the compilers' first error, or else pip's or
# Python's last.
failure_cause() {
  {
    log_part | grep -E '(^|[^a-z])(fatal )?error: ' | head -n 1
    log_part | grep -E '^ *ERROR: ' | tail -n 1
    log_part | grep -E '^[A-Za-z_.]+Error: ' | tail -n 1
  } | head -n 1 | sed 's/^ *//' | cut -c 1-200 || true
}

# explain WHAT: ends the set-up after a failed step with the line that says why.
explain() {
  local cause
  cause="$(failure_cause)"
  if log_has 'No space left on device'; then
    die "$1: the disk is full ($(df -hP "$CACHE" | awk 'NR == 2 {print $4 " free under " $6}')): make room and run this again"
  elif log_has 'Killed signal|fatal error: Killed'; then
    die "$1: out of memory: run this again with MAX_JOBS=1 (log: $LOG)"
  elif log_has 'NewConnectionError|NameResolutionError|Temporary failure in name|Network is unreachable|ProxyError|ConnectTimeout|Retrying \(Retry'; then
    die "$1: no package registry can be reached: check the network or pip's proxy and index settings, or use --download and --offline (log: $LOG)"
  elif [[ -n $offline ]] && log_has 'No matching distribution'; then
    die "$1: $offline lacks it ($cause): collect it anew, with --download and --python ${PY_VERSION%.*} (log: $LOG)"
  fi
  die "$1 failed: ${cause:-no message} (log: $LOG)"
}

pip_install() {
  local what=$1
  shift
  say "$what"
  run_logged "$what" pip_progress "$PY" -m pip install "$@" || explain "$what"
}

start_log() {
  mkdir -p "$CACHE/logs" "$CACHE/wheels" 2>/dev/null ||
    die "cannot write to $CACHE: set XDG_CACHE_HOME to a folder that can be written"
  find "$CACHE" -maxdepth 1 -name 'work.*' -mmin +1440 -exec rm -rf {} + # of a run that was killed
  WORK="$(mktemp -d "$CACHE/work.XXXXXX" 2>/dev/null)" || die "cannot write to $CACHE: is the disk full?"
  LOG="$CACHE/logs/$(date +%Y%m%d-%H%M%S)-$$.log"
  : >"$LOG"
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
  if [[ -n $offline ]]; then
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$offline"
  fi
}

# need_space FOLDER GIGABYTES WHAT
need_space() {
  local free
  free="$(df -Pk "$1" | awk 'NR == 2 {print int($4 / 1048576)}')"
  ((free >= $2)) || die "$3 needs $2 GB and $1 has $free GB free: make room"
}
