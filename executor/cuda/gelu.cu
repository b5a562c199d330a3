#include "executor/cuda/element_map.cuh"
#include "executor/cuda/gelu.h"

namespace moesaic::executor::cuda {
namespace {

constexpr float kInverseSqrt2 = 0.70710678118654752f;
constexpr float kInverseSqrt2Pi = 0.39894228040143268f;
constexpr float kHalfLog2E = 0.72134752044448170f;

__device__ float normal_cdf(float x) { return 0.5f * (1.0f + erff(x * kInverseSqrt2)); }

struct Gelu {
  __device__ float operator()(float x) const { return x * normal_cdf(x); }
};

struct GeluGradient {
  __device__ float operator()(float dy, float x) const {
    return dy * (normal_cdf(x) + x * kInverseSqrt2Pi * exp2f(-kHalfLog2E * x * x));
  }
};

}  // namespace

template <typename Element>
void gelu_forward(const Element* x, Element* y, int64_t n, Stream stream) {
  map_elements(Gelu{}, y, n, stream, x);
}

template <typename Element>
void gelu_backward(const Element* dy, const Element* x, Element* dx, int64_t n, Stream stream) {
  map_elements(GeluGradient{}, dx, n, stream, dy, x);
}

template void gelu_forward(const float*, float*, int64_t, Stream);
template void gelu_forward(const BFloat16*, BFloat16*, int64_t, Stream);
template void gelu_backward(const float*, const float*, float*, int64_t, Stream);
template void gelu_backward(const BFloat16*, const BFloat16*, BFloat16*, int64_t, Stream);

}  // namespace moesaic::executor::cuda
