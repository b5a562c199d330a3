#!/usr/bin/env bash
# Checks and measures the CUDA room on a machine with a GPU, stage by stage; what passed is not run again for the same sources.
# usage: [OUT=folder] [DEPS=prefix] [PLANS=folder] scripts/gpu_check.sh STAGE...
#   stages: build test sanitize profile bench peers execute, or all; each ends within 8 minutes
#   OUT     results: table.txt, log.txt, profile.json, cluster.json, bench.json, peers.json, execute.json
#   DEPS    where unpacked Debian packages lie when the machine has none (DEPS/usr/include, ...), and DEPS/cutlass,
#           the source tree of CUTLASS 4.2
#   PLANS   the plans that `execute` runs and `profile` measures for (default experiments/11_gpu_fidelity/plans)
# The last line is `N passed, N failed, N absent`. Absent is what could not be checked here, and is never a pass. Exit code
# 0: all passed; 1: some failed; 77: none failed, some absent.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
STATE=${STATE:-$ROOT/build/gpu_check}  # logs, and what passed
BUILD=${BUILD:-$ROOT/build/cuda}
OUT=${OUT:-$STATE/out}
DEPS=${DEPS:-}
PLANS=${PLANS:-$ROOT/experiments/11_gpu_fidelity/plans}
LIMIT_S=480  # one stage, so that a stage fits into a short lease
ABSENT=77
ALL=(build test sanitize profile bench peers execute)
TESTS=$BUILD/test_executor_cuda
NCCL_TESTS=$BUILD/test_executor_nccl  # where NCCL is
EXECUTOR=$BUILD/cli/moesaic-executor
RESULTS=$ROOT/scripts/gpu_results.py
declare -A passed=() failed=() absent=()

usage() { sed -n '2,10s/^# //p' "${BASH_SOURCE[0]}"; }

# What the stamps belong to: these sources on this device.
fingerprint() {
  {
    find "$ROOT/core" "$ROOT/executor" "$ROOT/cli" "$ROOT/tests/executor" "$ROOT/cmake" "$ROOT/scripts" "$PLANS" \
      "$ROOT/CMakeLists.txt" -type f -print0 2>/dev/null | sort -z | xargs -0 sha256sum
    describe_device
  } | sha256sum | cut -c1-16
}

describe_device() {
  if ! nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv,noheader 2>/dev/null; then
    echo "no GPU: nvidia-smi finds none"
  fi
  if command -v nvcc >/dev/null; then nvcc --version | tail -n 2 | head -n 1; else echo "no nvcc on the path"; fi
}

# ---- For stages: a reason in the table, and why one cannot run ------------------------------------------------------

detail() { echo "detail: $*"; }

missing() {  # REASON...: ends the stage as absent
  detail "$*"
  exit $ABSENT
}

need_gpu() { nvidia-smi -L 2>/dev/null | grep -q '^GPU ' || missing "no GPU: nvidia-smi finds none"; }
need_program() { [[ -x $1 ]] || missing "$1 is missing: run the stage build first"; }
need_command() { command -v "$1" >/dev/null || missing "$1 not found: $2"; }

# Runs a command into $STATE/<stage>/NAME.json unless that was done for these sources; keeps its exit code beside it.
once() {  # STAGE NAME SECONDS COMMAND...
  local item=$STATE/$1/$2 seconds=$3 status=0
  shift 3
  mkdir -p "${item%/*}"
  if [[ -f $item.done && $(<"$item.done") == "$FINGERPRINT" ]]; then return; fi
  rm -f "$item".{done,json,err}
  echo "-- ${item##*/}"
  timeout -k 5 "$seconds" "$@" >"$item.json" 2>"$item.err" || status=$?
  tail -n 5 "$item.err"
  echo "$status" >"$item.code"
  if ((status == 0)); then echo "$FINGERPRINT" >"$item.done"; fi
}

# ---- Stages ---------------------------------------------------------------------------------------------------------

# 90a for capability 9.0: kernels may use Hopper's own instructions. The same where no GPU is seen, to check the build.
architecture() {
  local capability
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -dc 0-9) || true
  case ${capability:-90} in
    90) echo 90a ;;
    *) echo "$capability" ;;
  esac
}

# The folder of NVIDIA's Python wheels, which PyTorch brings: cuDNN and NCCL for a toolkit that has none.
wheels() { python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null || true; }

where_libraries_are() {  # CMake arguments, one a line
  local toolkit nvidia
  toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")") nvidia=$(wheels)
  if [[ -n $DEPS ]]; then echo "-DCMAKE_PREFIX_PATH=$DEPS/usr"; fi
  if [[ -d $DEPS/cutlass ]]; then echo "-DMOESAIC_CUTLASS=$DEPS/cutlass"; fi
  if [[ ! -f $toolkit/include/cudnn.h && -d $nvidia/cudnn ]]; then echo "-DMOESAIC_CUDNN=$nvidia/cudnn"; fi
  if [[ ! -f $toolkit/include/nccl.h && -d $nvidia/nccl ]]; then echo "-DNCCL_INCLUDE=$nvidia/nccl/include"; fi
}

build_stage() {
  local places generator=(-G Ninja)
  need_command nvcc "install the CUDA Toolkit or put its bin folder on PATH"
  mapfile -t places < <(where_libraries_are)
  command -v ninja >/dev/null || generator=(-G "Unix Makefiles")
  cmake -S "$ROOT" -B "$BUILD" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DMOESAIC_CUDA=ON -DMOESAIC_TESTS=ON \
    -DCMAKE_CUDA_ARCHITECTURES="$(architecture)" "${places[@]}" | tee "$STATE/configured.txt"
  grep -E 'moesaic: .* (not found|no cuDNN)' "$STATE/configured.txt" >"$STATE/not_found.txt" || true
  cmake --build "$BUILD" --target moesaic-executor test_executor_cuda cuda_benchmarks --parallel "$(nproc)"
  if grep -qs 'NCCL not found' "$STATE/not_found.txt"; then
    rm -f "$NCCL_TESTS"
  else
    cmake --build "$BUILD" --target test_executor_nccl --parallel "$(nproc)"
  fi
  detail "$(cd "$BUILD" && find . -maxdepth 4 -type f -perm -u+x \( -name 'executor_cuda_*' -o -name test_executor_cuda \
    -o -name moesaic-executor \) | wc -l) programs for sm_$(architecture), libraries not found: $(wc -l <"$STATE/not_found.txt")"
}

train() {  # STAGE PLAN STEPS SECONDS: one training job of all ranks in one process
  local name
  name=$(basename "$2" .json)
  once "$1" "$name" "$4" "$EXECUTOR" execute --plan "$2" --steps "$3" --transport local --corpus "$(corpus)" \
    --result "$STATE/$1/$name.result"
}

corpus() {
  mkdir -p "$STATE"
  [[ -f $STATE/corpus.txt ]] || cat "$ROOT/LICENSE" "$ROOT"/docs/*.md "$ROOT"/*/README.md >"$STATE/corpus.txt"
  echo "$STATE/corpus.txt"
}

# The operators, then whole steps: two ranks must train like one.
test_stage() {
  need_gpu
  need_program "$TESTS"
  "$TESTS" --gtest_brief=1 | tee "$STATE/tests.txt"
  if grep -q 'no CUDA device' "$STATE/tests.txt"; then
    detail "the tests saw no CUDA device"
    return 1
  fi
  [[ ! -x $NCCL_TESTS ]] || "$NCCL_TESTS" --gtest_brief=1
  local format plan
  for format in f32 bf16; do
    for plan in "$PLANS/tiny-$format"-{1,2}.json; do
      [[ -f $plan ]] || missing "$plan is missing"
      train ranks "$plan" 10 60
    done
    python3 "$RESULTS" agree "$STATE/ranks/tiny-$format"-{1,2}.result "$format"
  done
  detail "$(grep -E '^\[  PASSED  \]' "$STATE/tests.txt" | tr -s ' '); 2 ranks train like 1"
}

# Library kernels are not ours to check, and slow under the tools.
sanitize_stage() {
  local tool ours=() options
  need_gpu
  need_command compute-sanitizer "it is part of the CUDA Toolkit"
  need_program "$TESTS"
  if compute-sanitizer --help | grep -q -e --kernel-name; then ours=(--kernel-name kernel_substring=moesaic); fi
  for tool in memcheck racecheck initcheck; do
    options=(--tool "$tool" --error-exitcode 9)
    [[ $tool != memcheck ]] || options+=(--leak-check full)
    once sanitize "$tool" 150 compute-sanitizer "${options[@]}" "${ours[@]}" "$TESTS" --gtest_brief=1
    grep -h 'ERROR SUMMARY' "$STATE/sanitize/$tool".{json,err} || true
    [[ $(<"$STATE/sanitize/$tool.code") == 0 ]] || {
      detail "$tool: exit code $(<"$STATE/sanitize/$tool.code") (9: errors found, 124: stopped after 150 s)"
      tail -n 40 "$STATE/sanitize/$tool.json"
      return 1
    }
  done
  detail "memcheck, racecheck, initcheck without errors"
}

profile_stage() {
  need_gpu
  need_program "$EXECUTOR"
  mkdir -p "$STATE/profile"
  local plans=("$PLANS"/*-1.json)
  [[ -f ${plans[0]} ]] || missing "no plan in $PLANS"
  "$EXECUTOR" profile --for "${plans[@]}" --folder "$STATE/profile" --budget 300 --transport local --ranks 1 \
    --name "$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)" --command "scripts/gpu_check.sh profile"
  cp "$STATE/profile/profile.json" "$STATE/profile/cluster.json" "$OUT/"
  detail "$(wc -c <"$OUT/profile.json") bytes of curves for ${#plans[@]} plans"
}

bench_stage() {
  local name program=$BUILD/executor/cuda/benchmark/executor_cuda
  need_gpu
  need_program "${program}_memory_bound"
  for name in copies grouped_matmul memory_bound moe_layer; do
    if [[ -x ${program}_$name ]]; then
      once bench "$name" 150 "${program}_$name"
    else
      once bench "$name" 5 echo '{"absent": "not built: see the libraries that are not found in the log of build"}'
    fi
  done
  python3 "$RESULTS" bench "$STATE/bench"  # the last line says which rows are below their bars
}

peers_stage() {
  local program plan
  need_gpu
  need_command python3 "peers are Python programs"
  for program in torch_layer torch_grouped_mm liger_layer; do
    once peers "$program" 60 python3 "$ROOT/scripts/peers/$program.py"
  done
  for plan in small-bf16-1 gpu-1; do
    [[ ! -f $PLANS/$plan.json ]] ||
      once peers "torch_step_$plan" 70 python3 "$ROOT/scripts/peers/torch_step.py" --plan "$PLANS/$plan.json" --corpus "$(corpus)"
  done
  once peers deepspeed_moe 150 python3 "$ROOT/scripts/peers/deepspeed_moe.py"  # it compiles at its first use
  python3 "$RESULTS" peers "$STATE/peers"
}

execute_stage() {
  local plan plans=("$PLANS"/*.json)
  need_gpu
  need_program "$EXECUTOR"
  [[ -f ${plans[0]} ]] || missing "no plan in $PLANS"
  for plan in "${plans[@]}"; do
    train execute "$plan" 30 150
  done
  python3 "$RESULTS" execute "$STATE/execute"
}

# ---- The table ------------------------------------------------------------------------------------------------------

run_stage() {  # NAME: in its own process under the limit
  local name=$1 started=$SECONDS status=0 stamp=$STATE/stages/$1 log=$STATE/$1.log reason
  if [[ -f $stamp && $(<"$stamp") == "$FINGERPRINT" && ($name != build || -x $TESTS) ]]; then
    passed[$name]="earlier, for the same sources"
    return
  fi
  echo "== $name ..."
  timeout -k 10 "$LIMIT_S" "${BASH_SOURCE[0]}" --stage "$name" >"$log" 2>&1 || status=$?
  reason=$(sed -n 's/^detail: //p' "$log" | tail -n 1 | cut -c1-150)
  rm -f "$stamp"
  case $status in
    0)
      echo "$FINGERPRINT" >"$stamp"
      passed[$name]="$((SECONDS - started)) s  $reason"
      ;;
    "$ABSENT") absent[$name]=$reason ;;
    124) failed[$name]="stopped after $LIMIT_S s" ;;
    *) failed[$name]="$((SECONDS - started)) s  exit code $status  $reason" ;;
  esac
  [[ ! -v failed[$name] ]] || tail -n 40 "$log"
}

print_table() {
  local name
  describe_device
  printf '%-10s %-7s %s\n' stage result detail
  for name in "${ALL[@]}"; do
    if [[ -v passed[$name] ]]; then printf '%-10s %-7s %s\n' "$name" passed "${passed[$name]}"; fi
    if [[ -v failed[$name] ]]; then printf '%-10s %-7s %s\n' "$name" FAILED "${failed[$name]}"; fi
    if [[ -v absent[$name] ]]; then printf '%-10s %-7s %s\n' "$name" absent "${absent[$name]}"; fi
  done
  echo "${#passed[@]} passed, ${#failed[@]} failed, ${#absent[@]} absent"
}

# The results so far, of stages that were stopped too; the ends of the logs in one file.
keep_results() {
  local name
  for name in bench peers execute; do
    if [[ -d $STATE/$name ]]; then python3 "$RESULTS" "$name" "$STATE/$name" -o "$OUT/$name.json" >/dev/null || true; fi
  done
  for name in profile cluster; do
    if [[ -f $STATE/profile/$name.json ]]; then cp "$STATE/profile/$name.json" "$OUT/"; fi
  done
  for name in "${ALL[@]}"; do
    if [[ -f $STATE/$name.log ]]; then printf '==== %s\n' "$name" && tail -c 1000000 "$STATE/$name.log"; fi
  done >"$OUT/log.txt"
}

main() {
  local stages=("$@") name
  [[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
  if [[ ${1:-} == --stage ]]; then
    "$2_stage"
    return
  fi
  if (($# == 0)) || [[ $1 == -h || $1 == --help ]]; then
    usage
    return
  fi
  [[ $1 != all ]] || stages=("${ALL[@]}")
  for name in "${stages[@]}"; do
    [[ " ${ALL[*]} " == *" $name "* ]] || {
      echo "gpu_check: no stage $name; there are: ${ALL[*]}" >&2
      exit 2
    }
  done
  mkdir -p "$OUT" "$STATE/stages"
  OUT=$(cd "$OUT" && pwd)
  FINGERPRINT=$(fingerprint)
  local nvidia
  nvidia=$(wheels)
  if [[ -d $nvidia/nccl ]]; then LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$nvidia/nccl/lib:$nvidia/cudnn/lib; fi
  export OUT DEPS STATE BUILD PLANS FINGERPRINT LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
  for name in "${stages[@]}"; do
    run_stage "$name"
  done
  keep_results
  print_table | tee "$OUT/table.txt"
  ((${#failed[@]} == 0)) || exit 1
  ((${#absent[@]} == 0)) || exit $ABSENT
}

main "$@"
