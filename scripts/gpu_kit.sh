#!/usr/bin/env bash
# Builds the programs of the CUDA room on a machine without a GPU, to be carried to one that has one: it needs nothing there
# but the driver, cuBLAS and cuDNN of CUDA 13 (scripts/gpu_libraries.sh finds them), and NCCL for several GPUs.
# usage: [BUILD=folder] [CUOBJDUMP=program] scripts/gpu_kit.sh [FOLDER]    default: build/gpu_kit
#        scripts/gpu_kit.sh --sources    the SHA-256 of the sources that the programs are made of, as about.txt has it
#   FOLDER/bin                     the programs, for sm_90a alone, stripped
#   FOLDER/corpus.txt              the text that every check trains on: the licence, which stays as it is
#   FOLDER/expected/NAME.result    what plans of experiments/11_gpu_fidelity lose step by step on a CPU, from the same weights
#   FOLDER/about.txt               what it was made of, and how; "key: value"
# It fails, and says why, where the programs would lack a fast path or need what another machine may not have.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
BUILD=${BUILD:-$ROOT/build/portable}
PLANS=$ROOT/experiments/11_gpu_fidelity/plans
PROGRAMS=(cli/moesaic-executor test_executor_cuda test_executor_nccl executor/cuda/benchmark/executor_cuda_{copies,grouped_matmul,memory_bound,moe_layer})
EXPECTED=(tiny-f32-1 tiny-bf16-1)
STEPS=10
MAY_NEED='^(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|librt\.so\.1|ld-linux-x86-64\.so\.2|libcublasLt\.so\.13|libcudnn\.so\.9)$'
NEWEST_GLIBC=2.36  # Debian 12's; distributions that drivers for CUDA 13 are made for have it or a newer one
MAX_BYTES=$((56 << 20))  # of kit and tracked tree, so that both travel within 64 MiB

usage() { sed -n '2,11s/^# //p' "${BASH_SOURCE[0]}"; }

say() { printf '== %s\n' "$*" >&2; }

die() {
  printf 'gpu_kit: %s\n' "$*" >&2
  exit 1
}

sources_sha256() {
  (
    cd "$ROOT"
    find core executor cli tests/executor cmake CMakeLists.txt -type f \
      \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cmake' -o -name CMakeLists.txt \) -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
  )
}

build() {
  command -v nvcc >/dev/null || die "nvcc not found: install the CUDA Toolkit or put its bin folder on PATH"
  cmake -S "$ROOT" -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=Release -DMOESAIC_TESTS=ON -DMOESAIC_CUDA=ON -DMOESAIC_PORTABLE=ON \
    -DCMAKE_CUDA_ARCHITECTURES=90a-real >"$BUILD.log" || {
    tail -n 20 "$BUILD.log" >&2
    die "the configuration failed, see $BUILD.log"
  }
  found CUTLASS "the headers of CUTLASS 4.2 are missing: install the wheel nvidia-cutlass 4.2.0.0, or unpack them into a folder of python3's packages"
  found cuDNN "headers or library of cuDNN 9.11 or newer are missing"
  [[ -n $(cached NCCL_INCLUDE) ]] || die "nccl.h is missing: install libnccl-dev or the wheel nvidia-nccl-cu13"
  nice ninja -C "$BUILD" "${PROGRAMS[@]}" >>"$BUILD.log" || {
    tail -n 40 "$BUILD.log" >&2
    die "the build failed, see $BUILD.log"
  }
}

found() { grep -Eq "moesaic: $1 ([0-9.]+ )?from " "$BUILD.log" || die "$2"; }  # LIBRARY REASON

cached() { sed -n "s/^$1:[A-Z]*=\(.*\)/\1/p" "$BUILD/CMakeCache.txt" | grep -v NOTFOUND; }  # VARIABLE

# ---- What the programs need, and what is in them --------------------------------------------------------------------

check_needs() {  # PROGRAM
  local foreign glibc
  foreign=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -Ev "$MAY_NEED" | tr '\n' ' ') || true
  [[ -z $foreign ]] || die "${1##*/} needs $foreign"
  ! readelf -d "$1" | grep -E '\((RPATH|RUNPATH)\)' >/dev/null || die "${1##*/} looks for libraries in folders of this machine"
  glibc=$(newest_glibc "$1")
  [[ $(printf '%s\n' "$glibc" $NEWEST_GLIBC | sort -V | tail -n 1) == "$NEWEST_GLIBC" ]] ||
    die "${1##*/} needs glibc $glibc, newer than $NEWEST_GLIBC"
}

newest_glibc() { readelf -V "$@" | grep -o 'GLIBC_[0-9.]*' | cut -d _ -f 2 | sort -uV | tail -n 1; }

cuobjdump_here() {
  local triton
  triton=$(python3 -c 'import importlib.util as u; print(u.find_spec("triton").submodule_search_locations[0])' 2>/dev/null) || true
  command -v "${CUOBJDUMP:-cuobjdump}" || { [[ -x $triton/backends/nvidia/bin/cuobjdump ]] && echo "$triton/backends/nvidia/bin/cuobjdump"; }
}

# One line on the machine code, or the end.
check_device_code() {  # PROGRAM
  local tool kernels wgmma lacking
  tool=$(cuobjdump_here) || {
    echo "not looked at: no cuobjdump here"
    return
  }
  "$tool" --list-elf "$1" >"$BUILD/elf.txt" || die "cuobjdump cannot read ${1##*/}"
  grep -q 'sm_90a' "$BUILD/elf.txt" || die "${1##*/} has no code for sm_90a"
  ! grep -Ev 'sm_90a' "$BUILD/elf.txt" | grep -q 'sm_' || die "${1##*/} has code for more than sm_90a"
  "$tool" --dump-sass "$1" | awk '/Function : / {name = $3; all[name]} /HGMMA/ {with[name]}
    END {for (f in all) if (f ~ /cutlass/) {if (f in with) ++found; else ++lacking} print found + 0, lacking + 0, length(all)}' >"$BUILD/sass.txt"
  read -r wgmma lacking kernels <"$BUILD/sass.txt"
  ((wgmma > 0 && lacking == 0)) || die "of the kernels of ${1##*/} that are CUTLASS's, $wgmma use HGMMA and $lacking do not"
  echo "$kernels kernels for sm_90a alone; all $wgmma of CUTLASS's use HGMMA"
}

# ---- What is laid out -----------------------------------------------------------------------------------------------

# The committed plan is for a GPU; its twin differs in one word, that its lanes share a core, and so runs on the CPU.
expected_result() {  # NAME
  local twin=$BUILD/$1.json
  python3 - "$PLANS/$1.json" "$twin" <<'PYTHON'
import json, sys
plan = json.load(open(sys.argv[1], encoding="utf-8"))
plan["documents"]["cluster"]["device"]["lanes_share_core"] = True
del plan["hashes"]["cluster"]  # it is no longer that document
json.dump(plan, open(sys.argv[2], "w", encoding="utf-8"))
PYTHON
  LD_LIBRARY_PATH=$("$ROOT/scripts/gpu_libraries.sh" libcublasLt.so.13 libcudnn.so.9) OMP_NUM_THREADS=1 \
    "$KIT/bin/moesaic-executor" execute --plan "$twin" --steps $STEPS --transport local --corpus "$KIT/corpus.txt" \
    --result "$KIT/expected/$1.result" 2>"$BUILD/$1.err" || die "$1 does not train on this CPU: $(tail -n 1 "$BUILD/$1.err")"
}

define() { sed -n "s/^#define $1 *\([0-9]*\).*/\1/p" "$2" | head -n 1; }  # NAME HEADER

about() {
  local cublas cutlass nccl
  cublas=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")/include/cublas_api.h
  [[ -f $cublas ]] || cublas=$(dirname "$(sed -n 's/.*moesaic: cuBLAS from //p' "$BUILD.log")")/../include/cublas_api.h  # a wheel's
  cutlass=$(sed -n 's/.*moesaic: CUTLASS from //p' "$BUILD.log")/cutlass/version.h nccl=$(cached NCCL_INCLUDE)/nccl.h
  cat <<ABOUT
commit: $(git -C "$ROOT" rev-parse HEAD 2>/dev/null || echo unknown)
files changed since: $(git -C "$ROOT" status --porcelain 2>/dev/null | wc -l)
sources: $(sources_sha256)
date: $(date -u +%FT%TZ)
nvcc: $(nvcc --version | sed -n 's/.*release.*, V//p')
cuBLAS: $(define CUBLAS_VER_MAJOR "$cublas").$(define CUBLAS_VER_MINOR "$cublas").$(define CUBLAS_VER_PATCH "$cublas")
cuDNN: $(sed -n 's/.*moesaic: cuDNN \([0-9.]*\) from.*/\1/p' "$BUILD.log")
CUTLASS: $(define CUTLASS_MAJOR "$cutlass").$(define CUTLASS_MINOR "$cutlass").$(define CUTLASS_PATCH "$cutlass")
NCCL: $(define NCCL_MAJOR "$nccl").$(define NCCL_MINOR "$nccl").$(define NCCL_PATCH "$nccl")
code: $1
glibc: $(newest_glibc "$KIT"/bin/*) or newer
corpus: $(sha256sum <"$KIT/corpus.txt" | cut -d ' ' -f 1)
expected: moesaic-executor execute --plan PLAN --steps $STEPS --transport local --corpus corpus.txt, on the CPU of the machine
  that built; PLAN is experiments/11_gpu_fidelity/plans/NAME.json with lanes_share_core true in its cluster's device and
  without the hash of its cluster. Compare "loss".
ABOUT
  (cd "$KIT" && find bin expected corpus.txt -type f -printf 'bytes of %p: %s\n' | LC_ALL=C sort)
}

check_size() {
  local kit tree
  kit=$(du -sb "$KIT" | cut -f 1)
  tree=$(cd "$ROOT" && { git ls-files -z 2>/dev/null || find . -path ./build -prune -o -type f -print0; } | xargs -0 du -cb --no-dereference | tail -n 1 | cut -f 1)
  ((kit + tree <= MAX_BYTES)) || die "kit and tracked tree are $kit + $tree bytes, more than $MAX_BYTES"
  say "$KIT: $((kit >> 10)) KiB, with the tracked tree $(((kit + tree) >> 10)) of $((MAX_BYTES >> 10)) KiB"
}

main() {
  local program code
  case ${1:-} in
    -h | --help) usage && return ;;
    --sources) sources_sha256 && return ;;
  esac
  [[ ! -d /usr/local/cuda/bin ]] || PATH=$PATH:/usr/local/cuda/bin
  KIT=${1:-$ROOT/build/gpu_kit}
  mkdir -p "$BUILD"
  say "building into $BUILD"
  build
  rm -rf "$KIT.new"
  mkdir -p "$KIT.new"/{bin,expected}
  KIT=$(cd "$KIT.new" && pwd)
  for program in "${PROGRAMS[@]}"; do
    strip -o "$KIT/bin/${program##*/}" "$BUILD/$program"
    check_needs "$KIT/bin/${program##*/}"
  done
  code=$(check_device_code "$KIT/bin/moesaic-executor")
  cp "$ROOT/LICENSE" "$KIT/corpus.txt"
  for program in "${EXPECTED[@]}"; do expected_result "$program"; done
  about "$code" >"$KIT/about.txt"
  rm -rf "${KIT%.new}"
  mv "$KIT" "${KIT%.new}"
  KIT=${KIT%.new}
  check_size
}

main "$@"
