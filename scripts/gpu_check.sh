#!/usr/bin/env bash
# Checks and measures the CUDA room on a machine with a GPU, item by item, the most valuable first.
# usage: scripts/gpu_check.sh VERB
#   prepare              at home: builds the kit, build/gpu_kit, which travels to the machine with the sources
#   call-1 [SECONDS]     on the machine, ends within SECONDS (330): is it correct, how fast are its operators?
#   between FOLDER       at home: puts plans into the kit, made with the profile that call 1 left in FOLDER
#   call-2 [SECONDS]     on the machine, ends within SECONDS (300): whole training steps, memory errors, more plans
#   answer FOLDER...     at home: predicted against measured, from what the calls left in these folders
#   all                  on a machine of your own: builds, then every item of both calls and more, without a deadline
#   list                 the items: call, name, group, limit and estimate in seconds, command
#   NAME...              items or groups (build device test bench peers profile execute sanitize), without a deadline
# OUT takes the results (default build/gpu_check/out): table.txt, log.txt and five JSON documents, written again after
# every item. KIT, STATE, PLANS, MOESAIC, CLOCK: other places of the kit, of what is kept between calls, of the committed
# plans, of the program that plans, and of the clock. The last line is `N passed, N failed, N absent`. Absent is what could not be checked, and is
# never a pass. Exit code 0: all passed; 1: some failed; 77: none failed, some absent; 143: ended by a signal.
# shellcheck disable=SC2034 # the files of gpu_check/ read the constants
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
SELF=$ROOT/scripts/gpu_check.sh
STATE=${STATE:-$ROOT/build/gpu_check}
OUT=${OUT:-$STATE/out}
KIT=${KIT:-$ROOT/build/gpu_kit}
PLANS=${PLANS:-$ROOT/experiments/11_gpu_fidelity/plans}
CLOCK=${CLOCK:-/proc/uptime}
RESULTS=$ROOT/scripts/gpu_results.py
CALL_1_S=330 CALL_2_S=300  # of the 15 minutes; the rest is for starting the machine, transfers, and the half minute between
UNHURRIED=5                # factor of the limits where there is no deadline: a GPU that is slower than the one planned for
ABSENT=77

# shellcheck source=scripts/gpu_check/items.sh
source "$ROOT/scripts/gpu_check/items.sh"
# shellcheck source=scripts/gpu_check/commands.sh
source "$ROOT/scripts/gpu_check/commands.sh"
# shellcheck source=scripts/gpu_check/runner.sh
source "$ROOT/scripts/gpu_check/runner.sh"

usage() { sed -n '2,/^# shellcheck/s/^# \?//p' "$SELF" | sed '$d'; }

refuse() {
  echo "gpu_check: $*" >&2
  exit 2
}

prepare() {
  bash "$ROOT/scripts/gpu_kit.sh" "$KIT"
  [[ -n ${MOESAIC:-} ]] || compgen -G "$ROOT/build/*/cli/moesaic" >/dev/null ||
    echo "gpu_check: no moesaic below build/, so \`between\` could not plan: build it (./run moesaic --help)" >&2
}

at_home() {  # PROGRAM ARGUMENT...: of scripts/gpu_check
  local program=$1
  shift
  python3 "$ROOT/scripts/gpu_check/$program.py" --kit "$KIT" --plans "$PLANS" ${MOESAIC:+--moesaic "$MOESAIC"} "$@"
}

# What a call leaves to do of the one before it comes last.
call() {  # NUMBER SECONDS
  local names=()
  [[ $2 =~ ^[0-9]+$ ]] || refuse "$2 is no number of seconds"
  mapfile -t names < <(names_of_call "$1" && if (($1 == 2)); then names_of_call 1; fi)
  begin "$2"
  read_ahead
  run_items "${names[@]}"
}

named() {  # NAME...: items or groups
  local name names=()
  for name in "$@"; do
    mapfile -t -O "${#names[@]}" names < <(names_of "$name")
    [[ -n $(names_of "$name") ]] || refuse "no item, group or verb $name; --help and list say which there are"
  done
  begin 0
  if [[ " ${names[*]} " == *" build "* ]]; then names=(build "${names[@]}"); fi  # the machine's check needs the programs
  if [[ ${names[*]} == build* ]]; then names=(build device "${names[@]:1}"); else names=(device "${names[@]}"); fi
  run_items "${names[@]}"
}

main() {
  read_items
  PATH=$PATH:/usr/local/cuda/bin:/usr/local/nvidia/bin  # where images for GPUs have them
  case ${1:---help} in
    -h | --help) usage ;;
    list) items ;;
    --item) run_one "$2" ;;
    prepare) prepare ;;
    call-1) call 1 "${2:-$CALL_1_S}" ;;
    call-2) call 2 "${2:-$CALL_2_S}" ;;
    between | answer) at_home "$@" ;;
    all) named "${ORDER[@]}" ;;
    *) named "$@" ;;
  esac
}

main "$@"
