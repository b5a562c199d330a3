# shellcheck shell=bash
# What gpu_check.sh runs on the machine, in the order of its worth. Every item is a process of its own; its last line
# `detail: ...` goes into the table. Exit code 77: it cannot be checked here.
#
# Seconds are limits and estimates. Nothing has run on a GPU yet, so the estimates are guesses: a program starts in 2 to 4 s
# (context, libraries), torch in 6 and as much again to compile; the first program reads gigabytes of libraries from a disk
# that nobody has read, and all depends on it, so `device` may take long. Drawing 0.55 G initial values takes 3 s, in numpy 14.
PRODUCT_TESTS='*Matmul*:*Linear*:*Experts*:*Grouped*:MoeLayer*'
ATTENTION_TESTS='*Attention*:Cudnn*'
# A kernel of each kind, at small sizes: every access is checked.
SANITIZED_TESTS='AdamWOnCuda/1.AgreesWith*:AttentionTest/1.AgreesWith*:CrossEntropyOnCuda/1.AgreesWith*'
SANITIZED_TESTS+=':ElementwiseOnCuda/1.AddsAnd*:EmbeddingOnCuda/1.SumsRepeated*:GroupedArraysOnCuda.FollowRowCounts*'
SANITIZED_TESTS+=':LayerNormOnCuda/1.AgreesWithTheReferenceAtOdd*:PermuteOnCuda/1.AgreesWith*:RegroupOnCuda.Concatenates*'
SANITIZED_TESTS+=':RouterOnCuda/1.GradientsAgree*'

# call: 1: correct? how fast are operators? 2: whole steps. 0: only on a machine of one's own.
# call name                group    limit  estimate  command
items() {
  local one
  cat <<TABLE
0      build                    build    1800   300  build
12     device                   device     60     6  check_device
1      products                 test       70    25  run_tests $PRODUCT_TESTS
1      attention                test       60    20  run_tests $ATTENTION_TESTS
1      tiny-f32-1               execute    30     5  train_like_cpu
1      tiny-bf16-1              execute    30     5  train_like_cpu
1      tiny-f32-2               execute    30     5  train_like_one_rank
1      tiny-bf16-2              execute    30     5  train_like_one_rank
1      moe_layer                bench      40    12  measure
1      grouped_matmul           bench      45    22  measure
1      profile-gpu              profile    65    51  profile 45 gpu-1
1      profile-two-ranks        profile    30    18  profile 14 tiny-bf16-2
1      memory_bound             bench      40    20  measure
1      copies                   bench      40    15  measure
1      torch_layer              peers      50    20  ask_peer
1      torch_grouped_mm         peers      40    15  ask_peer
1      other_tests              test       80    35  run_tests -$PRODUCT_TESTS:$ATTENTION_TESTS
1      nccl_tests               test       30    10  run_nccl_tests
2      gpu-1                    execute    60    15  train_planned 30
2      torch_gpu-1              peers     150    60  ask_torch gpu-1 30
2      gpu-padded-1             execute    40    14  train 30
2      gpu-padded-1-graph       execute    40    14  train_captured gpu-padded-1 30
2      planned-tiny-bf16-2      execute    20     5  train_planned_like_one_rank tiny-bf16-2
2      small-bf16-1             execute    20     4  train 30
2      memcheck                 sanitize   70    35  sanitize memcheck
TABLE
  for one in recompute micro2 chunks2 host host-late slices2 micro4 chunks4 host-micro2 micro2-chunks2-recompute; do
    echo "2 gpu-$one-1 execute 30 7 train 8"
  done
  for one in padded micro2 recompute chunks2 slices2 micro4 chunks4 micro2-chunks2-recompute; do
    echo "2 small-bf16-$one-1 execute 15 3 train 10"
  done
  cat <<TABLE
2      profile-small            profile    25    20  profile 15 small-bf16-1 small-bf16-micro4-1 small-bf16-chunks4-1 small-bf16-slices2-1
0      gpu-2                    execute    60    20  train 8
0      torch_small-bf16-1       peers      60    25  ask_torch small-bf16-1 30
0      racecheck                sanitize  120    60  sanitize racecheck
0      initcheck                sanitize  120    60  sanitize initcheck
0      liger_layer              peers      60    20  ask_peer
0      deepspeed_moe            peers     150    90  ask_peer
TABLE
}
