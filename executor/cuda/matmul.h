#pragma once
// Row-major matrix products through cuBLASLt, in f32 without TF32 or on bfloat16 operands with f32 sums and result.
// It rounds nothing and, unlike the CPU room, does not promise that a row's bits are independent of the other rows.

#include <cstddef>
#include <memory>

#include "executor/cuda/matmul_key.h"
#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"

namespace moesaic::executor::cuda {

class Matmul {
 public:
  explicit Matmul(StreamScratch& scratch);  // outlives the object
  ~Matmul();

  /// a, b: float for Precision::f32, bfloat16 for Precision::bf16.
  void run(const void* a, const void* b, float* c, const MatmulShape& shape, Precision precision, Stream stream);

  size_t cached_algorithms() const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
  StreamScratch& scratch_;
};

}  // namespace moesaic::executor::cuda
