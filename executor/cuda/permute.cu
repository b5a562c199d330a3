#include "executor/cuda/block_sum.cuh"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/permute.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int kRowThreads = 128;  // a block moves one row; h = 512 floats is one 16-byte vector per thread

__device__ float scaled(float x, float w) { return w * x; }
__device__ float4 scaled(const float4& x, float w) { return {w * x.x, w * x.y, w * x.z, w * x.w}; }
__device__ void add_to(float& sum, float x) { sum += x; }
__device__ void add_to(float4& sum, const float4& x) { sum.x += x.x, sum.y += x.y, sum.z += x.z, sum.w += x.w; }
__device__ float product(float a, float b) { return a * b; }
__device__ float product(const float4& a, const float4& b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }

// One block per choice. width: h in elements of type Element, here and below.
template <typename Element>
__global__ void scatter_rows(const Element* z, const int32_t* row_of_choice, Element* send, int64_t k, int64_t width) {
  const int64_t choice = blockIdx.x, row = row_of_choice[choice];
  if (row < 0) return;
  for (int64_t j = threadIdx.x; j < width; j += kRowThreads) send[row * width + j] = z[choice / k * width + j];
}

// One block per token: base (null: 0) plus the token's rows, weighted unless weights is null.
template <typename Element>
__global__ void gather_rows(const Element* rows, const int32_t* row_of_choice, const float* weights,
                            const Element* base, Element* out, int64_t k, int64_t width) {
  const int64_t token = blockIdx.x;
  for (int64_t j = threadIdx.x; j < width; j += kRowThreads) {
    Element sum = base == nullptr ? Element{} : base[token * width + j];
    for (int64_t choice = token * k; choice < (token + 1) * k; ++choice) {
      const int64_t row = row_of_choice[choice];
      if (row < 0) continue;
      const Element value = rows[row * width + j];
      add_to(sum, weights == nullptr ? value : scaled(value, weights[choice]));
    }
    out[token * width + j] = sum;
  }
}

// One block per choice.
template <typename Element>
__global__ void scatter_gradient(const Element* dout, const Element* returned, const int32_t* row_of_choice,
                                 const float* weights, Element* dreturned, float* dweights, int64_t k, int64_t width) {
  const int64_t choice = blockIdx.x, row = row_of_choice[choice];
  float dot = 0.0f;
  if (row >= 0) {
    const float weight = weights[choice];
    for (int64_t j = threadIdx.x; j < width; j += kRowThreads) {
      const Element d = dout[choice / k * width + j];
      dot += product(d, returned[row * width + j]);
      dreturned[row * width + j] = scaled(d, weight);
    }
  }
  dot = block_sum<kRowThreads>(dot);
  if (threadIdx.x == 0) dweights[choice] = dot;
}

const float4* vectors(const float* x) { return reinterpret_cast<const float4*>(x); }
float4* vectors(float* x) { return reinterpret_cast<float4*>(x); }

void gather(const float* rows, const int32_t* row_of_choice, const float* weights, const float* base, float* out,
            const PermuteShape& s, Stream stream) {
  if (s.m == 0 || s.h == 0) return;
  const auto blocks = static_cast<unsigned>(s.m);
  if (s.h % 4 == 0 && aligned_for_vectors(rows, base, out)) {
    gather_rows<<<blocks, kRowThreads, 0, stream>>>(vectors(rows), row_of_choice, weights, vectors(base), vectors(out),
                                                    s.k, s.h / 4);
  } else {
    gather_rows<<<blocks, kRowThreads, 0, stream>>>(rows, row_of_choice, weights, base, out, s.k, s.h);
  }
  CUDA_CHECK(cudaGetLastError());
}

}  // namespace

void permute_forward(const float* z, const int32_t* row_of_choice, float* send, const PermuteShape& s, Stream stream) {
  if (s.m * s.k == 0 || s.h == 0) return;
  const auto blocks = static_cast<unsigned>(s.m * s.k);
  if (s.h % 4 == 0 && aligned_for_vectors(z, send)) {
    scatter_rows<<<blocks, kRowThreads, 0, stream>>>(vectors(z), row_of_choice, vectors(send), s.k, s.h / 4);
  } else {
    scatter_rows<<<blocks, kRowThreads, 0, stream>>>(z, row_of_choice, send, s.k, s.h);
  }
  CUDA_CHECK(cudaGetLastError());
}

void permute_backward(const float* dsend, const int32_t* row_of_choice, float* dz, const PermuteShape& s,
                      Stream stream) {
  gather(dsend, row_of_choice, nullptr, dz, dz, s, stream);
}

void unpermute_forward(const float* returned, const int32_t* row_of_choice, const float* weights, const float* residual,
                       float* out, const PermuteShape& s, Stream stream) {
  gather(returned, row_of_choice, weights, residual, out, s, stream);
}

void unpermute_backward(const float* dout, const float* returned, const int32_t* row_of_choice, const float* weights,
                        float* dreturned, float* dweights, const PermuteShape& s, Stream stream) {
  if (s.m * s.k == 0) return;
  const auto blocks = static_cast<unsigned>(s.m * s.k);
  if (s.h % 4 == 0 && aligned_for_vectors(dout, returned, dreturned)) {
    scatter_gradient<<<blocks, kRowThreads, 0, stream>>>(vectors(dout), vectors(returned), row_of_choice, weights,
                                                         vectors(dreturned), dweights, s.k, s.h / 4);
  } else {
    scatter_gradient<<<blocks, kRowThreads, 0, stream>>>(dout, returned, row_of_choice, weights, dreturned, dweights,
                                                         s.k, s.h);
  }
  CUDA_CHECK(cudaGetLastError());
}

}  // namespace moesaic::executor::cuda
