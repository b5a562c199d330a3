#!/usr/bin/env bash
# Prints an LD_LIBRARY_PATH with which programs of the CUDA room, built here or elsewhere, find NVIDIA's libraries on this
# machine.
# usage: scripts/gpu_libraries.sh [LIBRARY...]
#   LIBRARY   file names; default: those that the programs load
# Each library comes from the first place that has it: the folders of LD_LIBRARY_PATH, which stay in front; the CUDA Toolkit
# of the nvcc on the path, CUDA_HOME, /usr/local/cuda; the wheels of the python3 on the path; the system's own folders.
# What is in none of them is named on stderr. Exit code 0: all found, 1: some not.
set -euo pipefail

# Of CUDA 13. cuDNN compiles its fused kernels with NVRTC; NCCL is loaded where ranks are processes on several GPUs.
LIBRARIES=(libcublasLt.so.13 libcudnn.so.9 libnvrtc.so.13 libnccl.so.2)

toolkits() {
  local nvcc
  if nvcc=$(command -v nvcc); then dirname "$(dirname "$(readlink -f "$nvcc")")"; fi
  if [[ -n ${CUDA_HOME:-} ]]; then echo "$CUDA_HOME"; fi
  echo /usr/local/cuda
}

# Folders of libraries, in order. Wheels: nvidia/cu13/lib for all of CUDA 13, or one each as nvidia/cudnn/lib.
places() {
  local toolkit
  while read -r toolkit; do
    printf '%s\n' "$toolkit"/lib64 "$toolkit"/lib "$toolkit"/targets/*/lib
  done < <(toolkits)
  python3 - <<'PYTHON' 2>/dev/null || true
import glob, sys
for packages in sys.path:
    for folder in sorted(glob.glob(packages + "/nvidia/*/lib")) if packages.endswith("-packages") else []:
        print(folder)
PYTHON
}

is_in_path() {  # LIBRARY PATH
  local folder folders
  IFS=: read -ra folders <<<"$2"
  for folder in "${folders[@]}"; do
    if [[ -n $folder && -e $folder/$1 ]]; then return; fi
  done
  return 1
}

is_the_systems() { ldconfig -p 2>/dev/null | awk -v name="$1" '$1 == name {found = 1} END {exit !found}'; }

main() {
  local library place path=${LD_LIBRARY_PATH:-} status=0 all
  if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,9s/^# //p' "${BASH_SOURCE[0]}"
    return
  fi
  (($# > 0)) || set -- "${LIBRARIES[@]}"
  mapfile -t all < <(places)
  for library in "$@"; do
    for place in "${all[@]}"; do
      is_in_path "$library" "$path" && break
      if [[ -e $place/$library ]]; then path=${path:+$path:}$place; fi
    done
    is_in_path "$library" "$path" || is_the_systems "$library" || {
      echo "gpu_libraries: $library is neither in the toolkit nor among the packages of $(command -v python3 || echo python3)" >&2
      status=1
    }
  done
  echo "$path"
  return "$status"
}

main "$@"
