#include "executor/cuda/add.h"
#include "executor/cuda/element_map.cuh"

namespace moesaic::executor::cuda {
namespace {

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};

}  // namespace

template <typename Element>
void add(const Element* a, const Element* b, Element* y, int64_t n, Stream stream) {
  map_elements(Sum{}, y, n, stream, a, b);
}

template <typename Element>
void accumulate(const Element* a, Element* y, int64_t n, Stream stream) {
  map_elements<Sum, Element>(Sum{}, y, n, stream, y, a);
}

template void add(const float*, const float*, float*, int64_t, Stream);
template void add(const BFloat16*, const BFloat16*, BFloat16*, int64_t, Stream);
template void accumulate(const float*, float*, int64_t, Stream);
template void accumulate(const BFloat16*, BFloat16*, int64_t, Stream);

}  // namespace moesaic::executor::cuda
