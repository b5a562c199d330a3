# shellcheck shell=bash disable=SC2153,SC2034 # what gpu_check.sh sets and reads
# Runs items one after the other: each under its own limit and all under one deadline; the results are whole after each.

MARGIN_S=8  # before the end of the call: to kill what hangs, to write the last results, to print the table
KILL_S=2    # between asking a process to end and ending it
declare -A CALL=() GROUP=() LIMIT_S=() ESTIMATE_S=() COMMAND=() outcome=() reason=()
ORDER=() asked=()
deadline_ms=0 running='' guard='' ran=''

read_items() {
  local call name group limit estimate command
  while read -r call name group limit estimate command; do
    [[ -n $call ]] || continue
    ORDER+=("$name")
    CALL[$name]=$call GROUP[$name]=$group LIMIT_S[$name]=$limit ESTIMATE_S[$name]=$estimate COMMAND[$name]=$command
  done < <(items)
}

names_of_call() { for name in "${ORDER[@]}"; do if [[ ${CALL[$name]} == *"$1"* ]]; then echo "$name"; fi; done; }
names_of() { for name in "${ORDER[@]}"; do if [[ $name == "$1" || ${GROUP[$name]} == "$1" ]]; then echo "$name"; fi; done; }

# Since the machine started: a wall clock may be set while a call runs, above all on a machine that has just started.
now_ms() {
  local seconds
  read -r seconds _ <"$CLOCK"  # with two decimals
  echo $((10#${seconds/./}0))
}

# ---- One call -------------------------------------------------------------------------------------------------------

begin() {  # SECONDS until the end of the call; 0: no deadline
  if (($1 > 0)); then deadline_ms=$(($(now_ms) + ($1 - MARGIN_S) * 1000)); fi
  mkdir -p "$OUT" "$STATE"
  OUT=$(cd "$OUT" && pwd)
  keep_driver_awake
  DEVICE=$(describe_device)
  FINGERPRINT=$(fingerprint)
  if [[ ! -f $STATE/fingerprint || $(<"$STATE/fingerprint") != "$FINGERPRINT" ]]; then
    rm -rf "$STATE"/{logs,passed,test,bench,peers,profile,execute,sanitize}  # results of others are not ours
    echo "$FINGERPRINT" >"$STATE/fingerprint"
  fi
  mkdir -p "$STATE/logs" "$STATE/passed"
  FOUND_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
  LD_LIBRARY_PATH=$(library_path)
  export OUT STATE KIT PLANS LD_LIBRARY_PATH FOUND_LIBRARY_PATH
}

# Where no daemon does this, the driver starts the GPU anew, for seconds, with every program that finds nobody else using it.
# An open device file is such a user, and changes no setting.
keep_driver_awake() {
  local devices=(/dev/nvidia[0-9]*)
  { exec {device_file}<"${devices[0]}"; } 2>/dev/null || true
}

# What a result belongs to: these sources on this device.
fingerprint() {
  {
    find "$PLANS" "$ROOT/scripts" -type f -not -name '*.pyc' -print0 2>/dev/null | sort -z | xargs -0 -r sha256sum
    sources
    echo "$DEVICE"
  } | sha256sum | cut -c1-16
}

# The plans of the kit change between the calls.
stamp_of() {  # NAME
  echo "$FINGERPRINT"
  if [[ ${COMMAND[$1]} =~ planned|ask_torch ]]; then cat "$KIT"/plans/*.json 2>/dev/null | sha256sum || true; fi
}

run_items() {  # NAME...
  local name code=0
  asked=()
  for name in "$@"; do if [[ " ${asked[*]} " != *" $name "* ]]; then asked+=("$name"); fi; done
  trap 'interrupted' TERM INT
  for name in "${asked[@]}"; do
    run_item "$name"
    printf '%-30s %-7s %s\n' "$name" "${outcome[$name]}" "${reason[$name]}"
    if [[ -n $ran ]]; then keep_results; fi
  done
  keep_results
  trap - TERM INT
  echo
  print_table
  if [[ " ${outcome[*]} " == *" absent "* ]]; then code=$ABSENT; fi
  if [[ " ${outcome[*]} " == *" FAILED "* ]]; then code=1; fi
  exit "$code"
}

interrupted() {
  trap '' TERM INT
  if [[ -n $running ]]; then kill -TERM "$running" "$guard" 2>/dev/null || true; fi
  for name in "${asked[@]}"; do
    if [[ -z ${outcome[$name]:-} ]]; then say "$name" absent "the call was ended by a signal"; fi
  done
  keep_results
  if [[ -n $running ]]; then end_group; fi
  print_table
  exit 143
}

say() { outcome[$1]=$2 reason[$1]=$3; }  # NAME OUTCOME REASON

run_item() {  # NAME: says its outcome; sets ran where that took time
  ran=
  local name=$1 limit=$((${LIMIT_S[$1]} * UNHURRIED)) left
  if [[ ${outcome[device]:-passed} != passed ]]; then
    say "$name" absent "not tried: ${reason[device]##*  }"
    return
  fi
  if [[ $name != device && -f $STATE/passed/$name && $(<"$STATE/passed/$name") == "$(stamp_of "$name")" ]]; then
    say "$name" passed "earlier, for the same sources"
    return
  fi
  if ((deadline_ms > 0)); then
    left=$(((deadline_ms - $(now_ms)) / 1000)) limit=${LIMIT_S[$name]}
    if ((left < ESTIMATE_S[$name])); then
      say "$name" absent "no time left"
      return
    fi
    limit=$((left < limit ? left : limit))
  fi
  ran=1
  supervise "$name" "$limit"
}

# What the item started, also where the item itself has ended and left a program behind that takes no TERM. `timeout` leads
# the group.
end_group() { kill -KILL -- "-$running" 2>/dev/null || true; }

# Without what a program that never stops wrote before it, nor NUL bytes; nothing where the disk was full.
end_of_log() { tail -c 65536 "$1" 2>/dev/null | tr -d '\000'; }  # LOG

# Its last detail, or else its last line, without the folder that all paths begin with.
reason_in() {  # LOG
  end_of_log "$1" | awk '{last = $0} sub(/^detail: /, "") {detail = $0} END {print detail != "" ? detail : last}' | sed "s|$ROOT/||g" | cut -c1-170
}

# In a process group of its own, killed at the limit. A process that hangs in the driver may outlive even that; it is left
# behind, so that the call goes on.
supervise() {  # NAME SECONDS
  local name=$1 limit=$2 started status=0 log=$STATE/logs/$1.txt seconds why
  started=$(now_ms)
  rm -f "$STATE/passed/$name"
  LIMIT=$limit timeout -k $KILL_S "$limit" bash "$SELF" --item "$name" >"$log" 2>&1 &
  running=$!
  sleep $((limit + 2 * KILL_S)) &
  guard=$!
  wait -n "$running" "$guard" || status=$?
  if kill -0 "$running" 2>/dev/null; then status=137; fi
  end_group
  kill "$guard" 2>/dev/null || true
  wait "$guard" 2>/dev/null || true
  running='' guard=''
  seconds=$((($(now_ms) - started) / 1000))
  why=$(reason_in "$log") || true
  case $status in
    0)
      stamp_of "$name" >"$STATE/passed/$name" || true
      say "$name" passed "$seconds s  $why"
      ;;
    "$ABSENT") say "$name" absent "$why" ;;
    124 | 137) say "$name" FAILED "stopped after $limit s" ;;
    *)
      say "$name" FAILED "$seconds s  exit code $status  $why"
      end_of_log "$log" | tail -n 12 | cut -c1-300 || true
      ;;
  esac
}

# ---- The results ----------------------------------------------------------------------------------------------------

print_table() {
  local name passed=0 failed=0 absent=0
  echo "$DEVICE"
  printf '%-30s %-7s %s\n' item result detail
  for name in "${asked[@]}"; do
    [[ -n ${outcome[$name]:-} ]] || continue
    printf '%-30s %-7s %s\n' "$name" "${outcome[$name]}" "${reason[$name]}"
    case ${outcome[$name]} in
      passed) passed=$((passed + 1)) ;;
      FAILED) failed=$((failed + 1)) ;;
      absent) absent=$((absent + 1)) ;;
    esac
  done
  echo "$passed passed, $failed failed, $absent absent"
}

# On a full disk the call goes on, since its table is printed too.
keep_results() {
  local kept=1
  if ! { print_table >"$OUT/table.txt.new" && mv "$OUT/table.txt.new" "$OUT/table.txt"; } 2>/dev/null; then
    kept=
    rm -f "$OUT/table.txt.new" 2>/dev/null || true
  fi
  timeout -k 1 5 python3 "$RESULTS" keep "$STATE" -o "$OUT" || kept=
  [[ -n $kept ]] || echo "gpu_check: the results could not be written"
}
