#include "executor/cuda/element.cuh"
#include "executor/cuda/expert_choice.cuh"
#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/router.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int64_t kMassTokens = 32;  // of one warp
constexpr int kStretches = 32;

// mass [parts, num_experts]: the sum of p over the tokens of a part; one warp per part.
__global__ void sum_probabilities(const float* p, double* mass, int64_t tokens, int64_t num_experts) {
  const int64_t part = blockIdx.x * kWarps + threadIdx.x / 32, first = part * kMassTokens;
  const int64_t last = first + kMassTokens < tokens ? first + kMassTokens : tokens;
  if (first >= last) return;
  for (int64_t e = threadIdx.x % 32; e < num_experts; e += 32) {
    double sum = 0.0;
    for (int64_t t = first; t < last; ++t) sum += static_cast<double>(p[t * num_experts + e]);
    mass[part * num_experts + e] = sum;
  }
}

// The sum of a column over a stretch of its rows.
__device__ double stretch_sum(const double* column, int64_t rows, int64_t width, int stretch) {
  double sum = 0.0;
  const int64_t last = (stretch + 1) * rows / kStretches;
  for (int64_t row = stretch * rows / kStretches; row < last; ++row) sum += column[row * width];
  return sum;
}

// The same of an expert's counts.
__device__ int64_t stretch_sum(const AuxiliaryLoss& auxiliary, int64_t expert, int64_t width, int stretch) {
  int64_t sum = 0;
  const int64_t last = (stretch + 1) * auxiliary.count_rows / kStretches;
  for (int64_t row = stretch * auxiliary.count_rows / kStretches; row < last; ++row) {
    const int64_t together = row / auxiliary.rows_together, in_it = row % auxiliary.rows_together;
    sum += auxiliary.counts[together * auxiliary.stride + in_it * width + expert];
  }
  return sum;
}

// One block, one warp per stretch of rows, 32 experts at a time: gradient [num_experts] and the loss, in a fixed order.
__global__ void auxiliary_loss(const double* mass, int64_t parts, AuxiliaryLoss auxiliary, float* gradient,
                               int64_t num_experts) {
  __shared__ double mass_of[kStretches][32];
  __shared__ int64_t chosen_of[kStretches][32];
  __shared__ double loss_of[kMaxExperts];
  const int lane = threadIdx.x % 32, stretch = threadIdx.x / 32;
  for (int64_t group = 0; group < num_experts; group += 32) {
    const int64_t e = group + lane;
    const bool exists = e < num_experts;
    mass_of[stretch][lane] = exists ? stretch_sum(mass + e, parts, num_experts, stretch) : 0.0;
    chosen_of[stretch][lane] = exists ? stretch_sum(auxiliary, e, num_experts, stretch) : 0;
    __syncthreads();
    if (stretch == 0 && exists) {
      double whole_mass = 0.0;
      int64_t chosen = 0;
      for (int s = 0; s < kStretches; ++s) whole_mass += mass_of[s][lane], chosen += chosen_of[s][lane];
      const double of_expert = auxiliary.scale * static_cast<double>(chosen);
      gradient[e] = static_cast<float>(of_expert);
      loss_of[e] = of_expert * whole_mass;
    }
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  double loss = 0.0;
  for (int64_t e = 0; e < num_experts; ++e) loss += loss_of[e];
  *auxiliary.loss += loss;
}

struct Choices {
  const float* dweights;
  const int32_t* chosen;  // -1: dropped
  const float* weights;
  int64_t tokens;
  int32_t num_experts, top_k;
  bool normalised;
};

// dp of the lane's experts: `extra`, and for chosen ones the share in their weights. Dropped choices have no weight,
// but they stand in the normaliser of the others, so the choice before dropping is made again from p.
template <int PerLane>
__device__ void probability_gradient(const float (&p)[PerLane], const Choices& c, int64_t t, const float* extra,
                                     float (&dp)[PerLane]) {
  const int lane = threadIdx.x % 32;
  const float *dweights = c.dweights + t * c.top_k, *weights = c.weights + t * c.top_k;
  const int32_t* kept = c.chosen + t * c.top_k;
  int32_t choice[PerLane];  // which one the expert is
  for (int j = 0; j < PerLane; ++j) choice[j] = -1;
  float sum = 0.0f, shared = 0.0f;  // shared: d loss / d log(sum), with the sign turned
  choose_experts(p, c.num_experts, c.top_k, [&](int32_t i, int32_t expert, float probability) {
    sum += probability;
    for (int j = 0; j < PerLane; ++j)
      if (expert == lane + 32 * j) choice[j] = i;
  });
  for (int32_t i = lane; i < c.top_k; i += 32)
    if (kept[i] >= 0) shared += dweights[i] * weights[i];
  shared = c.normalised ? warp_sum(shared) : 0.0f;
  if (!c.normalised) sum = 1.0f;
  for (int j = 0; j < PerLane; ++j) {
    dp[j] = lane + 32 * j < c.num_experts ? extra[lane + 32 * j] : 0.0f;
    if (choice[j] >= 0) dp[j] += ((kept[choice[j]] >= 0 ? dweights[choice[j]] : 0.0f) - shared) / sum;
  }
}

// dlogits [tokens, num_experts] = p (dp - p . dp); one warp per token.
template <int PerLane, typename Element>
__global__ void logit_gradient(const float* p, Choices choices, const float* extra, Element* dlogits) {
  const int lane = threadIdx.x % 32;
  const int64_t t = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (t >= choices.tokens) return;
  const int32_t num_experts = choices.num_experts;
  float of_token[PerLane], dp[PerLane], dot = 0.0f;
  for (int j = 0; j < PerLane; ++j)
    of_token[j] = lane + 32 * j < num_experts ? p[t * num_experts + lane + 32 * j] : 0.0f;
  probability_gradient(of_token, choices, t, extra, dp);
  for (int j = 0; j < PerLane; ++j) dot += of_token[j] * dp[j];
  dot = warp_sum(dot);
  for (int j = 0; j < PerLane; ++j)
    if (lane + 32 * j < num_experts)
      dlogits[t * num_experts + lane + 32 * j] = store<Element>(of_token[j] * (dp[j] - dot));
}

unsigned blocks_of_warps(int64_t warps) { return static_cast<unsigned>((warps + kWarps - 1) / kWarps); }

template <typename T>
T* scratch_array(StreamScratch& scratch, Stream stream, Scratch purpose, int64_t elements) {
  return static_cast<T*>(scratch.get(stream, purpose, elements * static_cast<Bytes>(sizeof(T))));
}

}  // namespace

template <typename Element>
void router_backward(Linear& linear, const float* dweights, const float* p, const int32_t* chosen, const float* weights,
                     const AuxiliaryLoss& auxiliary, const Element* z, const Element* w, Element* dz, Element* dw,
                     const RouterShape& s, Stream stream) {
  StreamScratch& scratch = linear.scratch();
  const int64_t parts = (s.m + kMassTokens - 1) / kMassTokens;
  auto* mass = scratch_array<double>(scratch, stream, Scratch::router_mass, parts * s.num_experts);
  auto* extra = scratch_array<float>(scratch, stream, Scratch::router_extra, s.num_experts);
  auto* dlogits = scratch_array<Element>(scratch, stream, Scratch::router_dlogits, s.m * s.num_experts);
  if (s.m > 0)
    launch_kernel(sum_probabilities, blocks_of_warps(parts), kWarps * 32, stream, p, mass, s.m, s.num_experts);
  launch_kernel(auxiliary_loss, 1, kStretches * 32, stream, mass, parts, auxiliary, extra, s.num_experts);
  if (s.m == 0) return;
  const Choices choices{
      dweights, chosen, weights, s.m, static_cast<int32_t>(s.num_experts), static_cast<int32_t>(s.top_k), s.normalised};
  with_experts_per_lane(s.num_experts, [&](auto per_lane) {
    launch_kernel(logit_gradient<per_lane(), Element>, blocks_of_warps(s.m), kWarps * 32, stream, p, choices, extra,
                  dlogits);
  });
  linear.dgrad(dlogits, w, dz, s.m, s.num_experts, s.h, stream);
  linear.wgrad(dlogits, z, dw, s.m, s.num_experts, s.h, stream);
}

template void router_backward(Linear&, const float*, const float*, const int32_t*, const float*, const AuxiliaryLoss&,
                              const float*, const float*, float*, float*, const RouterShape&, Stream);
template void router_backward(Linear&, const float*, const float*, const int32_t*, const float*, const AuxiliaryLoss&,
                              const BFloat16*, const BFloat16*, BFloat16*, BFloat16*, const RouterShape&, Stream);

}  // namespace moesaic::executor::cuda
