#!/usr/bin/env bash
# Checks the CUDA room on a machine with a GPU, stage by stage; a stage that passed is not run again for the same sources.
# usage: [OUT=folder] [DEPS=prefix] scripts/gpu_check.sh STAGE...
#   stages: build test sanitize profile bench peers execute, or all
#   OUT     results: table.txt, device.txt, one log per stage, stages/ (default build/gpu_check); at most 8 files
#   DEPS    where unpacked Debian packages lie when the machine has none (DEPS/usr/include, ...)
# The last line is `N passed, N failed, N absent`: absent is what this version does not have, and is never a pass.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
OUT=${OUT:-$ROOT/build/gpu_check}
DEPS=${DEPS:-}
BUILD=$ROOT/build/cuda
LIMIT_S=480  # one stage, so that a stage fits into a short lease
ALL=(build test sanitize profile bench peers execute)
PROGRAM=$BUILD/test_executor_cuda
declare -A passed=() failed=() absent=()

usage() { sed -n '2,7s/^# //p' "${BASH_SOURCE[0]}"; }

# What the stamps of finished stages belong to: these sources on this device.
fingerprint() {
  {
    find "$ROOT/core" "$ROOT/executor" "$ROOT/tests/executor" "$ROOT/cmake" "$ROOT/CMakeLists.txt" -type f \
      -print0 2>/dev/null | sort -z | xargs -0 sha256sum
    cat "$OUT/device.txt"
  } | sha256sum | cut -c1-16
}

describe_device() {
  if ! nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv 2>/dev/null; then
    echo "no GPU: nvidia-smi finds none"
  fi
  if command -v nvcc >/dev/null; then nvcc --version | tail -n 2; else echo "no nvcc on the path"; fi
}

# 90 for the first GPU of compute capability 9.0; the same where none is seen, so that the build at least can be checked.
architecture() {
  local capability
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -dc 0-9) || true
  echo "${capability:-90}"
}

build_stage() {
  local prefix=()
  command -v nvcc >/dev/null || {
    echo "nvcc not found: install the CUDA Toolkit or put its bin folder on PATH"
    return 1
  }
  [[ -z $DEPS ]] || prefix=(-DCMAKE_PREFIX_PATH="$DEPS/usr")
  local generator=(-G Ninja)
  command -v ninja >/dev/null || generator=(-G "Unix Makefiles")
  cmake -S "$ROOT" -B "$BUILD" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DMOESAIC_CUDA=ON -DMOESAIC_TESTS=ON \
    -DCMAKE_CUDA_ARCHITECTURES="$(architecture)" "${prefix[@]}" &&
    cmake --build "$BUILD" --target test_executor_cuda --parallel "$(nproc)"
}

need_program() {
  [[ -x $PROGRAM ]] && return
  echo "$PROGRAM is missing: run the stage build first"
  return 1
}

# A program in which every test was skipped has shown nothing.
ran_some_test() { # LOG
  grep -q '^\[  PASSED  \] [1-9]' "$1" || {
    echo "no test passed"
    return 1
  }
}

test_stage() { need_program && "$PROGRAM" && ran_some_test "$OUT/test.log"; }

sanitize_stage() {
  local sanitizer
  sanitizer=$(command -v compute-sanitizer) || {
    echo "compute-sanitizer not found: it is part of the CUDA Toolkit"
    return 1
  }
  need_program || return
  "$sanitizer" --tool memcheck --leak-check full --error-exitcode 9 "$PROGRAM" && ran_some_test "$OUT/sanitize.log"
}

detail() { # LOG: the line of a stage's log that says most
  grep -E '^\[  (PASSED|FAILED)  \] [0-9]+ test|ERROR SUMMARY|not found|is missing|FAILED:|CMake Error|no test passed' \
    "$1" | tail -n 1 | cut -c1-90 || true
}

run_stage() { # NAME
  local name=$1 started=$SECONDS status=0 stamp=$OUT/stages/$1
  if [[ $name != build && $name != test && $name != sanitize ]]; then
    absent[$name]="not part of this version"
    return
  fi
  if [[ -f $stamp && $(<"$stamp") == "$FINGERPRINT" && ($name != build || -x $PROGRAM) ]]; then
    passed[$name]="earlier, for the same sources"
    return
  fi
  echo "== $name ..."
  timeout -k 10 "$LIMIT_S" "${BASH_SOURCE[0]}" --stage "$name" >"$OUT/$name.log" 2>&1 || status=$?
  if ((status == 0)); then
    echo "$FINGERPRINT" >"$stamp"
    passed[$name]="$((SECONDS - started)) s  $(detail "$OUT/$name.log")"
    return
  fi
  rm -f "$stamp"
  tail -n 40 "$OUT/$name.log"
  failed[$name]="$((SECONDS - started)) s  exit code $status  $(detail "$OUT/$name.log")"
  ((status != 124)) || failed[$name]="stopped after $LIMIT_S s"
}

print_table() {
  local name
  printf '%-10s %-7s %s\n' stage result detail
  for name in "${ALL[@]}"; do
    if [[ -v passed[$name] ]]; then printf '%-10s %-7s %s\n' "$name" passed "${passed[$name]}"; fi
    if [[ -v failed[$name] ]]; then printf '%-10s %-7s %s\n' "$name" FAILED "${failed[$name]}"; fi
    if [[ -v absent[$name] ]]; then printf '%-10s %-7s %s\n' "$name" absent "${absent[$name]}"; fi
  done
  echo "${#passed[@]} passed, ${#failed[@]} failed, ${#absent[@]} absent"
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
  mkdir -p "$OUT/stages"
  OUT=$(cd "$OUT" && pwd)
  export OUT DEPS
  describe_device | tee "$OUT/device.txt"
  FINGERPRINT=$(fingerprint)
  for name in "${stages[@]}"; do
    run_stage "$name"
  done
  print_table | tee "$OUT/table.txt"
  ((${#failed[@]} == 0))
}

main "$@"
