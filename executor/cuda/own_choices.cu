#include "executor/cuda/own_choices.h"

#include <vector>

#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/upload_table.h"

namespace moesaic::executor::cuda {
namespace {

struct Sizes {
  int64_t rows_per_source, choices, slices, slots;
};

/// Of slot s of source a: own[3 * (a * slots + s)], first row, rows, where they stand here.
__device__ int32_t place_of(int32_t row, const int32_t* own, int64_t slots) {
  for (int64_t slot = 0; slot < slots; ++slot, own += 3)
    if (row >= own[0] && row < own[0] + own[1]) return own[2] + row - own[0];
  return -1;
}

__global__ void place_choices(Route from, Route to, const int32_t* own, Sizes sizes) {
  for (int64_t i = first_item(); i < sizes.choices * sizes.slices; i += item_stride()) {
    if (i < sizes.choices) {
      to.chosen[i] = from.chosen[i];
      to.weights[i] = from.weights[i];
    }
    const int64_t source = i / sizes.rows_per_source;
    to.rows[i] = place_of(from.rows[i], own + 3 * source * sizes.slots, sizes.slots);
  }
}

}  // namespace

void keep_own_rows(const OwnChoices& c, StreamScratch& scratch, Stream stream) {
  const Sizes sizes{c.source_choices * c.slices, c.source_choices * c.num_sources, c.slices, c.slots};
  if (sizes.choices == 0) return;
  std::vector<int32_t> table;
  for (const OwnRows& own : c.own)
    for (const int64_t value : {own.first, own.rows, own.to}) table.push_back(static_cast<int32_t>(value));
  auto* on_device =
      static_cast<int32_t*>(scratch.get(stream, Scratch::own_rows, static_cast<Bytes>(table.size() * sizeof(int32_t))));
  upload_table(table, on_device, stream);
  launch_kernel(place_choices, blocks_for(sizes.choices * sizes.slices), kThreads, stream, c.from, c.to, on_device,
                sizes);
}

}  // namespace moesaic::executor::cuda
