#!/usr/bin/env bash
# Long checks that no CI runs. Takes the folder of a build with tests, then names; each writes tests/soak/NAME.txt, which is
# committed: what was run, when, on which machine and commit, and what it printed.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
CANNOT_RUN=77  # here: an earlier result stays
NAMES=(fuzz bounds kills storage moe-layer torch-moe)

describe() {
  cat <<'LIST'
fuzz       every shipped document mutated 10,000 times: read or refused, never anything else       1 min
bounds     10,080 plans drawn at random and simulated: none is faster than the bound of its layout      5 min
kills      a training killed 100 times at random instants and resumed: no committed step is lost   5 min
storage    the storage tier against fio, in turns (./run install bench)                           10 min
moe-layer  one MoE layer against its matrix products alone in oneDNN, in turns                     1 min
torch-moe  the same layer against torch, in turns: experiments/05 (PYTHON=one that has torch)        4 min
LIST
}

# Ten seeds of 1000 mutations each; --gtest_repeat would take the next seed only with --gtest_shuffle.
soak_fuzz() {
  local program
  for program in test_core_schema test_core_plan; do
    "$BUILD/$program" --gtest_filter='*Fuzz*' --gtest_brief=1 --gtest_shuffle --gtest_random_seed=1 --gtest_repeat=10 || return
  done
}
# 28 seeds of 360 plans each.
soak_bounds() {
  "$BUILD/test_simulator" --gtest_filter='PathBound.NoPlan*' --gtest_brief=1 --gtest_shuffle --gtest_random_seed=1000 --gtest_repeat=28
}
soak_kills() { python3 "$ROOT/tests/golden/kill_test.py" --moesaic "$BUILD/cli/moesaic" --kills 100; }
soak_storage() {
  local folder status=0
  folder=$(mktemp -d "${TMPDIR:-/var/tmp}/moesaic-soak.XXXXXX")
  "$BUILD/executor/store/benchmark/storage_bench" --folder "$folder" --mib 256 || status=$?
  rm -rf "$folder"
  return "$status"
}
soak_moe_layer() { "$BUILD/executor/benchmark/executor_moe_layer" --dtype bf16; }
soak_torch_moe() {
  local python=${PYTHON:-python3}
  if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "$python has no torch: say PYTHON=one that has it"
    return "$CANNOT_RUN"
  fi
  (cd "$ROOT" && "$python" scripts/torch_moe_bench.py --program "$BUILD/executor/benchmark/executor_moe_layer" \
    --overhead "$BUILD/executor/benchmark/executor_task_overhead" -o experiments/05_how_fast_is_the_cpu_moe_layer)
}

header() {  # NAME
  echo "soak:    $1"
  echo "date:    $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo "commit:  $(git -C "$ROOT" rev-parse --short HEAD)$(git -C "$ROOT" diff --quiet HEAD || echo ', with changes')"
  echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, load $(cut -d ' ' -f 1 /proc/loadavg)"
  echo
}

run_soak() {  # NAME
  local name=$1 started=$SECONDS status=0 outcome=passed result=$ROOT/tests/soak/$1.txt part
  part=$(mktemp)
  header "$name" >"$part"
  "soak_${name//-/_}" 2>&1 | tee -a "$part" || status=$?
  if ((status == CANNOT_RUN)); then
    rm "$part"
    return "$status"
  fi
  ((status == 0)) || outcome="FAILED, exit code $status"
  printf '\n%s after %d s\n' "$outcome" $((SECONDS - started)) | tee -a "$part"
  cat "$part" >"$result"
  rm "$part"
  echo "== written to $result"
  return "$status"
}

main() {
  local name failed=0
  if (($# == 0)); then
    describe
    return
  fi
  for name in "$@"; do
    [[ " ${NAMES[*]} " == *" $name "* ]] || { echo "no soak is called $name; there are: ${NAMES[*]}" >&2; return 2; }
  done
  for name in "$@"; do run_soak "$name" || failed=1; done
  return "$failed"
}

BUILD=${1:?usage: soak.sh BUILD_FOLDER [NAME...]}
shift
main "$@"
