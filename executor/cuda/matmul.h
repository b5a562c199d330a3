#pragma once
// Row-major matrix products through cuBLASLt, in f32 without TF32 or on bfloat16 operands with f32 sums, rounded once
// or kept. Unlike the CPU room, it does not promise that a row's bits are independent of the other rows.

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

  /// a and b are of one format, f32 or bf16; c is of the same or f32.
  void run(const void* a, const void* b, void* c, const MatmulShape& shape, DType operands, DType result,
           Stream stream);

  size_t cached_algorithms() const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
  StreamScratch& scratch_;
};

}  // namespace moesaic::executor::cuda
