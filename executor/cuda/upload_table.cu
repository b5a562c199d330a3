#include "executor/cuda/upload_table.h"

#include <algorithm>

#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kPart = 1000;  // of the 4 KiB of kernel parameters
constexpr int kThreads = 256;

struct Part {
  int32_t value[kPart];
  int count;
};

__global__ void write_part(Part part, int32_t* to) {
  for (int i = threadIdx.x; i < part.count; i += kThreads) to[i] = part.value[i];
}

}  // namespace

void upload_table(std::span<const int32_t> table, int32_t* to, Stream stream) {
  for (size_t first = 0; first < table.size(); first += kPart) {
    const std::span<const int32_t> values = table.subspan(first, std::min<size_t>(kPart, table.size() - first));
    Part part{};
    std::copy(values.begin(), values.end(), part.value);
    part.count = static_cast<int>(values.size());
    launch_kernel(write_part, 1, kThreads, stream, part, to + first);
  }
}

}  // namespace moesaic::executor::cuda
