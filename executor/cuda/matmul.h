#pragma once
// Row-major matrix products through cuBLASLt, in f32 without TF32 or in bfloat16 with f32 sums, rounded once.
// Unlike the CPU room, it does not promise that a row's bits are independent of the other rows.

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

  /// a, b and c are all of the format, f32 or bf16.
  void run(const void* a, const void* b, void* c, const MatmulShape& shape, DType format, Stream stream);

  size_t cached_algorithms() const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
  StreamScratch& scratch_;
};

}  // namespace moesaic::executor::cuda
