#include "executor/cuda/router.h"

#include "core/schema/bfloat16.h"
#include "executor/cuda/expert_choice.cuh"
#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/token_blocks.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kWarps = 8;

// logits [num_experts] become probabilities, of which the lane keeps its own.
template <int PerLane>
__device__ void softmax_row(float* logits, int32_t num_experts, float (&p)[PerLane]) {
  const int lane = threadIdx.x % 32;
  float max = -INFINITY, sum = 0.0f;
  for (int j = 0; j < PerLane; ++j) {
    p[j] = lane + 32 * j < num_experts ? logits[lane + 32 * j] : -INFINITY;
    max = fmaxf(max, p[j]);
  }
  for (int width = 16; width > 0; width /= 2) max = fmaxf(max, __shfl_xor_sync(kWholeWarp, max, width));
  for (int j = 0; j < PerLane; ++j) {
    if (lane + 32 * j < num_experts) sum += p[j] = expf(p[j] - max);
  }
  sum = warp_sum(sum);
  for (int j = 0; j < PerLane; ++j) {
    if (lane + 32 * j < num_experts) logits[lane + 32 * j] = p[j] /= sum;
  }
}

// One warp per token. p [tokens, num_experts]: logits, which become probabilities.
template <int PerLane>
__global__ void choose(float* p, Route route, int32_t* block_counts, TokenBlocks blocks, int32_t num_experts,
                       int32_t top_k, bool normalised) {
  __shared__ int32_t counts[kMaxExperts];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int32_t e = threadIdx.x; e < num_experts; e += 32 * kWarps) counts[e] = 0;
  __syncthreads();
  const TokenRange tokens = tokens_of_block(blocks, blockIdx.x);
  for (int64_t t = tokens.first + warp; t < tokens.last; t += kWarps) {
    float of_token[PerLane], sum = 0.0f;
    softmax_row(p + t * num_experts, num_experts, of_token);
    float* weights = route.weights + t * top_k;
    int32_t* chosen = route.chosen + t * top_k;
    choose_experts(of_token, num_experts, top_k, [&](int32_t i, int32_t expert, float probability) {
      sum += probability;
      if (i % 32 != lane) return;
      chosen[i] = expert;
      weights[i] = probability;
      atomicAdd(&counts[expert], 1);
    });
    for (int32_t i = lane; normalised && i < top_k; i += 32) weights[i] /= sum;  // written by the same lane
  }
  __syncthreads();
  for (int32_t e = threadIdx.x; e < num_experts; e += 32 * kWarps)
    block_counts[blockIdx.x * num_experts + e] = counts[e];
}

}  // namespace

template <typename Element>
void router_forward(Linear& linear, const Element* z, const Element* w, float* p, const Route& route, int32_t* counts,
                    const RouterShape& s, int64_t chunks, const RowPlacement& placement, Stream stream) {
  linear.forward(z, w, p, s.m, s.num_experts, s.h, stream);
  const TokenBlocks blocks = token_blocks(s.m, chunks);
  auto* block_counts = static_cast<int32_t*>(linear.scratch().get(
      stream, Scratch::router_blocks, blocks.count() * s.num_experts * static_cast<Bytes>(sizeof(int32_t))));
  with_experts_per_lane(s.num_experts, [&](auto per_lane) {
    if (s.m > 0)
      launch_kernel(choose<per_lane()>, static_cast<unsigned>(blocks.count()), kWarps * 32, stream, p, route,
                    block_counts, blocks, s.num_experts, s.top_k, s.normalised);
  });
  place_rows(route, block_counts, counts, blocks, s.num_experts, s.top_k, placement, linear.scratch(), stream);
}

template void router_forward(Linear&, const float*, const float*, float*, const Route&, int32_t*, const RouterShape&,
                             int64_t, const RowPlacement&, Stream);
template void router_forward(Linear&, const BFloat16*, const BFloat16*, float*, const Route&, int32_t*,
                             const RouterShape&, int64_t, const RowPlacement&, Stream);

}  // namespace moesaic::executor::cuda
