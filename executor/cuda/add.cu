#include "executor/cuda/add.h"
#include "executor/cuda/element_map.cuh"

namespace moesaic::executor::cuda {
namespace {

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};

}  // namespace

void add(const float* a, const float* b, float* y, int64_t n, Stream stream) {
  map_elements(a, b, y, n, Sum{}, stream);
}

void accumulate(const float* a, float* y, int64_t n, Stream stream) { map_elements(y, a, y, n, Sum{}, stream); }

}  // namespace moesaic::executor::cuda
