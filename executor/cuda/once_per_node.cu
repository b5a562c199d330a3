// Two steps, one block per chunk and node in each: how many tokens have rows for the node; the place of every row.
#include "executor/cuda/once_per_node.h"

#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kNodeThreads = 256;

// What a thread works on: consecutive tokens of a chunk, and the rows [begin, end) of a node.
struct Stretch {
  int64_t first, last;
  int64_t begin, end;

  __device__ Stretch(const TokenBlocks& blocks, const NodeSlots& slots) {
    const int64_t chunk = blockIdx.x / slots.nodes, node = blockIdx.x % slots.nodes;
    const int64_t from = chunk * blocks.tokens / blocks.chunks, to = (chunk + 1) * blocks.tokens / blocks.chunks;
    first = from + threadIdx.x * (to - from) / kNodeThreads;
    last = from + (threadIdx.x + 1) * (to - from) / kNodeThreads;
    begin = end = 0;
    if (first == last) return;  // without tokens nobody has found where slots begin
    const int32_t* starts = slots.starts + chunk * slots.slots;
    begin = starts[node * slots.slots / slots.nodes];
    end = node + 1 < slots.nodes ? starts[(node + 1) * slots.slots / slots.nodes] : INT64_MAX;
  }

  __device__ bool holds(int32_t row) const { return row >= begin && row < end; }
  __device__ bool holds_any(const int32_t* rows, int64_t count) const {
    bool any = false;
    for (int64_t i = 0; i < count; ++i) any = any || holds(rows[i]);
    return any;
  }
};

// The sum over this block's threads before this one, and over all.
struct Prefix {
  int32_t before = 0, all = 0;

  __device__ explicit Prefix(int32_t own) {
    __shared__ int32_t of_thread[kNodeThreads];
    of_thread[threadIdx.x] = own;
    __syncthreads();
    for (int other = 0; other < kNodeThreads; ++other) {
      if (other == static_cast<int>(threadIdx.x)) before = all;
      all += of_thread[other];
    }
  }
};

__device__ int32_t tokens_for(const Stretch& stretch, const Route& route, int64_t per_token) {
  int32_t tokens = 0;
  for (int64_t t = stretch.first; t < stretch.last; ++t)
    tokens += stretch.holds_any(route.rows + t * per_token, per_token);
  return tokens;
}

__global__ void count_tokens(Route route, int32_t* node_counts, TokenBlocks blocks, int64_t per_token,
                             NodeSlots slots) {
  const Stretch stretch(blocks, slots);
  const Prefix prefix(tokens_for(stretch, route, per_token));
  if (threadIdx.x == 0) node_counts[blockIdx.x] = prefix.all;
}

__global__ void place_tokens(Route route, const int32_t* node_counts, TokenBlocks blocks, int64_t per_token,
                             NodeSlots slots) {
  const Stretch stretch(blocks, slots);
  const Prefix prefix(tokens_for(stretch, route, per_token));
  const int64_t node = blockIdx.x % slots.nodes;
  int32_t place = prefix.before;
  for (int64_t earlier = 1; earlier <= node; ++earlier) place += node_counts[blockIdx.x - earlier];
  for (int64_t t = stretch.first; t < stretch.last; ++t) {
    bool taken = false;
    for (int64_t i = t * per_token; i < (t + 1) * per_token; ++i) {
      const int32_t row = route.rows[i];
      if (row < 0 && node == 0) route.places[i] = -1;
      if (!stretch.holds(row)) continue;
      route.places[i] = place;
      taken = true;
    }
    place += taken;
  }
}

}  // namespace

void place_once(const Route& route, int32_t* node_counts, const TokenBlocks& blocks, int64_t per_token,
                const NodeSlots& slots, Stream stream) {
  const auto grid = static_cast<unsigned>(blocks.chunks * slots.nodes);
  launch_kernel(count_tokens, grid, kNodeThreads, stream, route, node_counts, blocks, per_token, slots);
  launch_kernel(place_tokens, grid, kNodeThreads, stream, route, node_counts, blocks, per_token, slots);
}

}  // namespace moesaic::executor::cuda
