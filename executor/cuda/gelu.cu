#include "executor/cuda/element_map.cuh"
#include "executor/cuda/gelu.h"

namespace moesaic::executor::cuda {
namespace {

constexpr float kInverseSqrt2 = 0.70710678118654752f;
constexpr float kInverseSqrt2Pi = 0.39894228040143268f;

__device__ float normal_cdf(float x) { return 0.5f * (1.0f + erff(x * kInverseSqrt2)); }

struct Gelu {
  __device__ float operator()(float x, float) const { return x * normal_cdf(x); }
};

struct GeluGradient {
  __device__ float operator()(float dy, float x) const {
    return dy * (normal_cdf(x) + x * kInverseSqrt2Pi * expf(-0.5f * x * x));
  }
};

}  // namespace

void gelu_forward(const float* x, float* y, int64_t n, Stream stream) { map_elements(x, x, y, n, Gelu{}, stream); }

void gelu_backward(const float* dy, const float* x, float* dx, int64_t n, Stream stream) {
  map_elements(dy, x, dx, n, GeluGradient{}, stream);
}

}  // namespace moesaic::executor::cuda
