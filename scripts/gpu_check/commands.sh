# shellcheck shell=bash disable=SC2153 # what gpu_check.sh sets
# What the items do. Each runs as `gpu_check.sh --item NAME` with NAME in $item and its limit in $LIMIT.

EXECUTOR=$KIT/bin/moesaic-executor
TESTS=$KIT/bin/test_executor_cuda
CORPUS=$KIT/corpus.txt

describe_device() {
  if ! timeout 20 nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv,noheader 2>/dev/null; then
    echo "no GPU: nvidia-smi finds none"
  fi
}

library_path() { bash "$ROOT/scripts/gpu_libraries.sh" 2>/dev/null || true; }  # without those that are not there

# With the library path as the machine has it: torch brings libraries of its own, which must not meet a toolkit's.
python_of_peers() { LD_LIBRARY_PATH=$FOUND_LIBRARY_PATH python3 "$@"; }

# A fresh machine reads torch from its disk, which may take longer than the first peer has. It happens beside the tests.
read_ahead() { (python_of_peers -c 'import os; os.nice(10); import torch' >/dev/null 2>&1 &) }

run_one() {  # NAME
  item=$1 note=
  mkdir -p "$STATE/${GROUP[$1]}"
  rm -f "$STATE/${GROUP[$1]}/$1".*
  read -r -a words <<<"${COMMAND[$1]}"
  "${words[@]}"
}

detail() { echo "detail: $*"; }

missing() {  # REASON...: ends the item as absent
  detail "$*"
  exit "$ABSENT"
}

need() { [[ -e $1 ]] || missing "${1#"$ROOT"/} is missing${2:+: $2}"; }

# Runs a command and keeps its stderr and its exit code beside what it writes; the reader of these says what went wrong.
keep_code() {  # COMMAND...
  local base=$STATE/${GROUP[$item]}/$item status=0
  "$@" 2>"$base.err" || status=$?
  tail -n 30 "$base.err" >&2
  echo "$status" >"$base.code"
}

into_document() { keep_code "$@" >"$STATE/${GROUP[$item]}/$item.json"; }  # COMMAND...

# What came out, as the item's detail, with $note behind it.
judge() { python3 "$RESULTS" "$@" | sed "s/^detail: .*/&${note:+, $note}/"; }

# ---- The machine ----------------------------------------------------------------------------------------------------

fail() {  # REASON...
  detail "$*"
  exit 1
}

# What every other item needs. It ends within seconds where something is wrong, so that the lease is not spent.
check_device() {
  local lost every_path=()
  nvidia-smi -L 2>/dev/null | grep -q '^GPU ' || missing "no GPU: nvidia-smi finds none"
  need "$EXECUTOR" "prepare makes it"
  check_sources
  lost=$(bash "$ROOT/scripts/gpu_libraries.sh" libcublasLt.so.13 libcudnn.so.9 libnvrtc.so.13 2>&1 >/dev/null) || fail "${lost##*$'\n'}"
  lost=$(ldd "$EXECUTOR" "$TESTS" 2>&1 | awk '/not found/ { print $1 }' | sort -u | tr '\n' ' ') || true
  [[ -z $lost ]] || fail "libraries not found: $lost"
  [[ ! -f $KIT/about.txt ]] || every_path=(--require-fast-paths)  # a kit has them all; what was built here has what was found
  lost=$("$EXECUTOR" devices "${every_path[@]}" 2>&1 >/dev/null) || fail "${lost##*$'\n'}"
  detail "$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1), $(grep -h '^commit: ' "$KIT/about.txt" || echo 'built here')"
}

sources() { bash "$ROOT/scripts/gpu_kit.sh" --sources; }  # their SHA-256

# Programs of other sources than these would be measured in their name.
check_sources() {
  local made_of
  [[ -f $KIT/about.txt ]] || return 0  # built here
  made_of=$(sed -n 's/^sources: //p' "$KIT/about.txt")
  [[ $made_of == "$(sources)" ]] ||
    fail "the kit was made of other sources ($(sed -n 's/^commit: //p' "$KIT/about.txt" | cut -c1-12)): prepare again"
}

# ---- The programs, on a machine of one's own --------------------------------------------------------------------------

capability() { nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -dc 0-9; }

# The kit is for capability 9.0, and for machines without a GPU; another GPU gets programs of its own.
build() {
  local here
  here=$(capability) || true
  if [[ ${here:-90} == 90 ]]; then
    bash "$ROOT/scripts/gpu_kit.sh" "$KIT" || fail "no kit"
    detail "$(sed -n 's/^code: //p' "$KIT/about.txt")"
    return
  fi
  cmake -S "$ROOT" -B "$STATE/build" -DCMAKE_BUILD_TYPE=Release -DMOESAIC_CUDA=ON -DMOESAIC_TESTS=ON -DCMAKE_CUDA_ARCHITECTURES="$here"
  cmake --build "$STATE/build" --target moesaic-executor test_executor_cuda cuda_benchmarks --parallel "$(nproc)"
  rm -rf "$KIT"
  mkdir -p "$KIT/bin"
  find "$STATE/build" -type f -perm -u+x \( -name 'executor_cuda_*' -o -name test_executor_cuda -o -name moesaic-executor \) \
    -exec ln -s -t "$KIT/bin" {} +
  cp "$ROOT/LICENSE" "$KIT/corpus.txt"
  detail "$(find "$KIT/bin" | wc -l) programs for sm_$here"
}

# ---- Operators ------------------------------------------------------------------------------------------------------

gtest() {  # PROGRAM FILTER
  local log=$STATE/test/$item.txt status=0
  need "$1" "prepare makes it"
  "$1" --gtest_filter="$2" 2>&1 | tee "$log" || status=$?
  judge test "$STATE/test" --only "$item" || return 1
  return "$status"
}

run_tests() { gtest "$TESTS" "$1"; }  # FILTER
run_nccl_tests() { gtest "$KIT/bin/test_executor_nccl" '*'; }

measure() {  # the benchmark of the item's name
  need "$KIT/bin/executor_cuda_$item" "it was not built"
  into_document "$KIT/bin/executor_cuda_$item"
  judge bench "$STATE/bench" --only "$item"
}

ask_peer() {
  into_document python_of_peers "$ROOT/scripts/peers/$item.py"
  judge peers "$STATE/peers" --only "$item"
}

# Library kernels are not ours to check, and slow under the tools. Leaks are not asked for: libraries keep memory to the end.
sanitize() {  # TOOL
  local ours=() options=(--tool "$1" --error-exitcode 9) log=$STATE/sanitize/$item.txt status=0 help
  command -v compute-sanitizer >/dev/null || missing "compute-sanitizer not found: it is part of the CUDA Toolkit"
  help=$(compute-sanitizer --help 2>&1) || true  # whole: a pipe that grep -q closes early would be an error
  if [[ $help == *--kernel-name* ]]; then ours=(--kernel-name kernel_substring=moesaic); fi
  compute-sanitizer "${options[@]}" "${ours[@]}" "$TESTS" --gtest_filter="$SANITIZED_TESTS" >"$log" 2>&1 || status=$?
  tail -n 200 "$log"
  grep -q '^\[       OK \]' "$log" || fail "$1: exit code $status, no test passed"
  detail "$(sed -n 's/^=* *\(\(ERROR\|RACECHECK\) SUMMARY: .*\)/\1/p' "$log" | paste -sd ';'), exit code $status (9: errors found)"
  return "$status"
}

# The budget is kept by construction. With more time or less than the item's limit it is longer or shorter.
profile() {  # BUDGET_S PLAN...
  local folder=$STATE/profile/${item#profile-} budget=$(($1 * LIMIT / ${LIMIT_S[$item]})) ranks=1 plan plans=()
  shift
  for plan in "$@"; do
    need "$PLANS/$plan.json"
    plans+=("$PLANS/$plan.json")
    if [[ $plan == *-2 ]]; then ranks=2; fi
  done
  rm -rf "$folder"
  mkdir -p "$folder"
  "$EXECUTOR" profile --for "${plans[@]}" --folder "$folder" --budget "$budget" --transport local --ranks "$ranks" \
    --name "$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)" --command "scripts/gpu_check.sh $item" \
    --commit "$(sed -n 's/^commit: //p' "$KIT/about.txt" 2>/dev/null)"
  detail "$(wc -c <"$folder/profile.json") bytes of curves for $*, $ranks at once, in $budget s"
}

# ---- Whole steps ----------------------------------------------------------------------------------------------------

execute() {  # PLAN_FILE STEPS OPTION...: all ranks in one process
  local base=$STATE/execute/$item plan=$1 steps=$2
  shift 2
  need "$plan"
  cp "$plan" "$base.plan"
  keep_code "$EXECUTOR" execute --plan "$plan" --steps "$steps" --transport local --corpus "$CORPUS" --result "$base.result" "$@"
  judge execute "$STATE/execute" --only "$item"
}

train() { execute "$PLANS/$item.json" "$1"; }  # STEPS

# The plan that was made with the measured profile, where there is one. Sets plan and note.
choose_plan() {  # NAME
  plan=$KIT/plans/$1.json note="plan made with the measured profile"
  if [[ ! -f $plan ]]; then plan=$PLANS/$1.json note="the committed plan"; fi
}

train_planned() {  # STEPS
  choose_plan "$item"
  execute "$plan" "$1"
}

agree() {  # RESULT WHOSE: the item's losses with these
  local dtype=f32
  [[ $item != *bf16* && $item != gpu-* ]] || dtype=bf16
  [[ -f $1 ]] || missing "trained, but there are no losses of $2"
  judge agree "$1" "$STATE/execute/$item.result" "$dtype" "$2"
}

train_like_cpu() {
  execute "$PLANS/$item.json" 10
  agree "$KIT/expected/$item.result" "the CPU"
}

train_like_one_rank() {
  execute "$PLANS/$item.json" 10
  agree "$(of_one_rank "${item%-2}-1")" "one rank"
}

of_one_rank() {  # PLAN: trained here, or else on the CPU
  if [[ -f $STATE/execute/$1.result ]]; then echo "$STATE/execute/$1.result"; else echo "$KIT/expected/$1.result"; fi
}

train_planned_like_one_rank() {  # PLAN
  choose_plan "$1"
  execute "$plan" 10
  agree "$(of_one_rank "${1%-2}-1")" "one rank"
}

train_captured() {  # PLAN STEPS: as a CUDA graph, with the same losses
  execute "$PLANS/$1.json" "$2" --cuda-graph
  agree "$STATE/execute/$1.result" "the run without a graph"
}

# Exit code 1 where the losses are too far from those of the same plan here.
ask_torch() {  # PLAN STEPS
  local result=$STATE/execute/$1.result expect=()
  choose_plan "$1"
  note=
  if [[ -f $result ]]; then expect=(--expect "$result"); fi
  into_document python_of_peers "$ROOT/scripts/peers/torch_step.py" --plan "$plan" --corpus "$CORPUS" --steps "$2" "${expect[@]}"
  judge peers "$STATE/peers" --only "$item"
}
