#!/usr/bin/env bash
# Tests what depends on a CPU's instructions under each set that oneDNN knows and this processor has: the operators, one
# equivalence of whole trainings per technique, and a short training. Takes the folder of a build with tests.
set -euo pipefail

BUILD=${1:?usage: instruction_sets.sh BUILD_FOLDER}

# oneDNN's name (ONEDNN_MAX_CPU_ISA): the flags in /proc/cpuinfo that it asks for.
SETS=(
  "AVX2: avx2"
  "AVX512_CORE: avx512f avx512bw avx512vl avx512dq"
  "AVX512_CORE_BF16: avx512f avx512_bf16"
  "AVX512_CORE_AMX: avx512f amx_tile amx_bf16 amx_int8"
)

# One of test_executor_runtime_training for each technique, and at the end the trainings: of bf16, and against torch's losses.
EQUIVALENCES=(
  Ranks/Layouts.TrainLikeOneRank/4
  Ranks/BitNeutral.FieldsChangeNoBit/2
  Ranks/BitNeutral.PlacementChangesNoBit/2
  Ranks/HierarchicalTraining.ChangesNoBit/2
  Ranks/Zero.ChangesNoBitOfOneMicrobatch/2
  Ranks/ExpertOffload.TrainsAsOnTheDevice/3
  Ranks/EmbeddingPartition.TrainsAsAReplicatedTable/1
  Ranks/SamePlan.ResumesBitForBit/2
  UnevenSplit.TrainsLikeOneRank
  Tasks.TrainLikeOneRankHoweverTheyAreServed
  TensorParallel.TrainsLikeOneRank
  PipelineStages.TrainLikeOneRank
  ExpertSlices.TrainLikeOneRank
  Recompute.ChangesNoBit
  RoundedRows.TrainWithTheSameBitsHoweverTheyAreSent
  Padded.RoomyCapacityTrainsLikeDropless
  Precision.Bf16LearnsLikeF32
  Cases/TorchTwin.LossesOfTwentyStepsAgree/0
)

missing_flag() {  # FLAG...: the first that this processor lacks
  local flag
  for flag in "$@"; do
    grep -qE "^flags.* $flag( |\$)" /proc/cpuinfo || { echo "$flag"; return; }
  done
}

# A filter that matches nothing passes: so each name is looked up first.
all_tests_exist() {
  local known name
  known=$("$BUILD/test_executor_runtime_training" --gtest_filter="$(IFS=:; echo "${EQUIVALENCES[*]}")" --gtest_list_tests |
    awk '/^[^ ]+\.$/ {suite = $1} /^  / {print suite $1}')
  for name in "${EQUIVALENCES[@]}"; do
    grep -qxF "$name" <<<"$known" || { echo "test_executor_runtime_training has no test $name"; return 1; }
  done
}

run_tests() {  # SET
  local started=$SECONDS failed=0
  export ONEDNN_MAX_CPU_ISA=$1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
  echo "== $1"
  "$BUILD/test_executor_cpu" --gtest_brief=1 || failed=1
  "$BUILD/test_executor_runtime_training" --gtest_brief=1 --gtest_filter="$(IFS=:; echo "${EQUIVALENCES[*]}")" || failed=1
  echo "== $1 took $((SECONDS - started)) s"
  return "$failed"
}

all_tests_exist
failed=()
for line in "${SETS[@]}"; do
  set=${line%%:*}
  read -ra flags <<<"${line#*:}"
  lacks=$(missing_flag "${flags[@]}")
  if [[ -n $lacks ]]; then
    echo "skipped: $set, this processor has no $lacks"
  else
    run_tests "$set" || failed+=("$set")
  fi
done
((${#failed[@]} == 0)) || { echo "failed under: ${failed[*]}"; exit 1; }
