// Three steps, all in integers: for every block of tokens and expert, the choices before it; the first row of every
// slot; the row of every choice.
#include <vector>

#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/once_per_node.h"
#include "executor/cuda/row_placement.h"
#include "executor/cuda/token_blocks.cuh"
#include "executor/cuda/upload_table.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int kStretches = 32;  // of blocks, one warp each
constexpr int kStartThreads = 256;
constexpr int kPlaceWarps = 8;
static_assert(kBlockTokens % kPlaceWarps == 0);

// What kernels know of the placement.
struct Slots {
  const int32_t* begin;      // [num_experts * slices + 1] into of_expert
  const int32_t* of_expert;  // [num_slots] slots of each slice of an expert, ascending
  int64_t num_experts, slices, count, capacity;
  bool padded;
};

__device__ int64_t chunk_capacity(const Slots& slots, const TokenBlocks& blocks, int64_t chunk) {
  return (chunk + 1) * slots.capacity / blocks.chunks - chunk * slots.capacity / blocks.chunks;
}

// Rows of an expert that its replicas divide among themselves: those that come, or, padded, those that it takes.
__device__ int64_t divided_rows(const Slots& slots, const TokenBlocks& blocks, int64_t chunk, int64_t kept) {
  return slots.padded ? chunk_capacity(slots, blocks, chunk) : kept;
}

// The rows of a slot's replica begin at this one of its expert's n rows.
__device__ int64_t first_of_replica(int64_t replica, int64_t n, int64_t replicas) { return replica * n / replicas; }

// block_counts [blocks, experts] becomes the choices of the expert in earlier blocks of the chunk. A block of this
// kernel handles 32 experts of a chunk, one per lane.
__global__ void count_before_blocks(int32_t* block_counts, int32_t* counts, TokenBlocks blocks, Slots slots) {
  __shared__ int32_t of_stretch[kStretches][32];
  const int64_t groups = (slots.num_experts + 31) / 32, chunk = blockIdx.x / groups;
  const int lane = threadIdx.x % 32, stretch = threadIdx.x / 32;
  const int64_t expert = blockIdx.x % groups * 32 + lane;
  const int64_t first = stretch * blocks.per_chunk / kStretches, last = (stretch + 1) * blocks.per_chunk / kStretches;
  int32_t* column = block_counts + chunk * blocks.per_chunk * slots.num_experts + expert;
  int32_t own = 0, before = 0;
  if (expert < slots.num_experts)
    for (int64_t block = first; block < last; ++block) own += column[block * slots.num_experts];
  of_stretch[stretch][lane] = own;
  __syncthreads();
  if (expert >= slots.num_experts) return;
  for (int earlier = 0; earlier < stretch; ++earlier) before += of_stretch[earlier][lane];
  for (int64_t block = first; block < last; ++block) {
    const int32_t of_block = column[block * slots.num_experts];
    column[block * slots.num_experts] = before;
    before += of_block;
  }
  if (stretch != kStretches - 1) return;
  const int64_t capacity = slots.capacity == kNoCapacity ? before : chunk_capacity(slots, blocks, chunk);
  counts[chunk * slots.num_experts + expert] = before < capacity ? before : static_cast<int32_t>(capacity);
}

// starts [chunks, slots]; one block per chunk.
__global__ void find_slot_starts(const int32_t* counts, int32_t* starts, TokenBlocks blocks, Slots slots) {
  __shared__ int32_t of_thread[kStartThreads];
  const int64_t chunk = blockIdx.x, first = threadIdx.x * slots.count / kStartThreads,
                last = (threadIdx.x + 1) * slots.count / kStartThreads;
  starts += chunk * slots.count;
  for (int64_t slot = first; slot < last; ++slot) starts[slot] = 0;
  __syncthreads();
  for (int64_t slice = threadIdx.x; slice < slots.num_experts * slots.slices; slice += kStartThreads) {
    const int64_t n = divided_rows(slots, blocks, chunk, counts[chunk * slots.num_experts + slice / slots.slices]);
    const int64_t begin = slots.begin[slice], replicas = slots.begin[slice + 1] - begin;
    for (int64_t j = 0; j < replicas; ++j)
      starts[slots.of_expert[begin + j]] =
          static_cast<int32_t>(first_of_replica(j + 1, n, replicas) - first_of_replica(j, n, replicas));
  }
  __syncthreads();
  int32_t own = 0, before = 0;
  for (int64_t slot = first; slot < last; ++slot) own += starts[slot];
  of_thread[threadIdx.x] = own;
  __syncthreads();
  for (unsigned earlier = 0; earlier < threadIdx.x; ++earlier) before += of_thread[earlier];
  for (int64_t slot = first; slot < last; ++slot) {
    const int32_t rows = starts[slot];
    starts[slot] = before;
    before += rows;
  }
}

// The choice is the rank-th of its expert in the chunk, of which `kept` are kept and n divided among replicas.
__device__ void place(const Route& route, int64_t choice, int64_t rank, int64_t kept, int64_t n, const int32_t* starts,
                      const Slots& slots) {
  const int64_t expert = route.chosen[choice];
  int32_t* rows = route.rows + choice * slots.slices;
  if (rank >= kept) {
    route.chosen[choice] = -1;
    route.weights[choice] = 0.0f;
    for (int64_t slice = 0; slice < slots.slices; ++slice) rows[slice] = -1;
    return;
  }
  for (int64_t slice = 0; slice < slots.slices; ++slice) {
    const int64_t begin = slots.begin[expert * slots.slices + slice];
    const int64_t replicas = slots.begin[expert * slots.slices + slice + 1] - begin;
    int64_t replica = 0;
    while (replica + 1 < replicas && first_of_replica(replica + 1, n, replicas) <= rank) ++replica;
    const int64_t in_slot = rank - first_of_replica(replica, n, replicas);
    rows[slice] = starts[slots.of_expert[begin + replica]] + static_cast<int32_t>(in_slot);
  }
}

// One warp per stretch of a block's tokens. The experts of a token are distinct, so its choices, one per lane, count
// in places of their own.
__global__ void place_choices(Route route, const int32_t* before, const int32_t* counts, const int32_t* starts,
                              TokenBlocks blocks, Slots slots, int64_t top_k) {
  __shared__ int32_t next[kPlaceWarps][kMaxExperts];  // row of the expert that the warp's next choice of it is
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const TokenRange block = tokens_of_block(blocks, blockIdx.x);
  constexpr int kWarpTokens = kBlockTokens / kPlaceWarps;
  const TokenRange tokens = part_of(block, warp * kWarpTokens, kWarpTokens);
  for (int64_t e = lane; e < slots.num_experts; e += 32) next[warp][e] = 0;
  __syncwarp();
  for (int64_t t = tokens.first; t < tokens.last; ++t) {
    for (int64_t i = lane; i < top_k; i += 32) ++next[warp][route.chosen[t * top_k + i]];
    __syncwarp();
  }
  __syncthreads();
  for (int64_t e = threadIdx.x; e < slots.num_experts; e += 32 * kPlaceWarps) {
    int32_t rank = before[blockIdx.x * slots.num_experts + e];
    for (int w = 0; w < kPlaceWarps; ++w) {
      const int32_t of_warp = next[w][e];
      next[w][e] = rank;
      rank += of_warp;
    }
  }
  __syncthreads();
  const int64_t chunk = blockIdx.x / blocks.per_chunk;
  for (int64_t t = tokens.first; t < tokens.last; ++t) {
    for (int64_t choice = t * top_k + lane; choice < (t + 1) * top_k; choice += 32) {
      const int32_t expert = route.chosen[choice];
      const int64_t kept = counts[chunk * slots.num_experts + expert];
      place(route, choice, next[warp][expert]++, kept, divided_rows(slots, blocks, chunk, kept),
            starts + chunk * slots.count, slots);
    }
    __syncwarp();
  }
}

// Which slots hold each slice of an expert: where each slice's slots begin, then the slots.
std::vector<int32_t> slot_table(std::span<const int> slot_to_expert, size_t num_slices) {
  std::vector<int32_t> table(num_slices + 1 + slot_to_expert.size(), 0);
  for (int slice : slot_to_expert)
    if (slice >= 0) ++table[static_cast<size_t>(slice) + 1];
  for (size_t slice = 0; slice < num_slices; ++slice) table[slice + 1] += table[slice];
  std::vector<int32_t> next(table.begin(), table.begin() + static_cast<std::ptrdiff_t>(num_slices));
  for (size_t slot = 0; slot < slot_to_expert.size(); ++slot)
    if (const int slice = slot_to_expert[slot]; slice >= 0)
      table[num_slices + 1 + static_cast<size_t>(next[static_cast<size_t>(slice)]++)] = static_cast<int32_t>(slot);
  return table;
}

Slots upload_slots(const RowPlacement& placement, int64_t num_experts, StreamScratch& scratch, Stream stream) {
  const int64_t num_slices = num_experts * placement.slices;
  const std::vector<int32_t> table = slot_table(placement.slot_to_expert, static_cast<size_t>(num_slices));
  auto* on_device = static_cast<int32_t*>(
      scratch.get(stream, Scratch::router_slots, static_cast<Bytes>(table.size() * sizeof(int32_t))));
  upload_table(table, on_device, stream);
  return {on_device,
          on_device + num_slices + 1,
          num_experts,
          placement.slices,
          static_cast<int64_t>(placement.slot_to_expert.size()),
          placement.capacity,
          placement.padded};
}

}  // namespace

TokenBlocks token_blocks(int64_t tokens, int64_t chunks) {
  const int64_t largest = (tokens + chunks - 1) / chunks;
  return {tokens, chunks, (largest + kBlockTokens - 1) / kBlockTokens};
}

void place_rows(const Route& route, int32_t* block_counts, int32_t* counts, const TokenBlocks& blocks,
                int64_t num_experts, int64_t top_k, const RowPlacement& placement, StreamScratch& scratch,
                Stream stream) {
  const Slots slots = upload_slots(placement, num_experts, scratch, stream);
  const auto groups = static_cast<unsigned>(blocks.chunks * ((num_experts + 31) / 32));
  launch_kernel(count_before_blocks, groups, kStretches * 32, stream, block_counts, counts, blocks, slots);
  auto* starts = static_cast<int32_t*>(
      scratch.get(stream, Scratch::router_starts, blocks.chunks * slots.count * static_cast<Bytes>(sizeof(int32_t))));
  if (blocks.count() > 0) {
    launch_kernel(find_slot_starts, static_cast<unsigned>(blocks.chunks), kStartThreads, stream, counts, starts, blocks,
                  slots);
    launch_kernel(place_choices, static_cast<unsigned>(blocks.count()), kPlaceWarps * 32, stream, route, block_counts,
                  counts, starts, blocks, slots, top_k);
  }
  if (placement.nodes > 0)
    place_once(route, counts + blocks.chunks * num_experts, blocks, top_k * slots.slices,
               {starts, slots.count, placement.nodes}, stream);
}

}  // namespace moesaic::executor::cuda
