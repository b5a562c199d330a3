#include "executor/cuda/benchmark/fastest_product.h"

#include <limits>

#include "core/schema/error.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int kAskedFor = 16;                        // candidates; further ones are estimated to be slower still
constexpr int kTimed = 5;                            // runs of each, of which the median counts
constexpr double kHopeless = 1.2;                    // times the best so far, in one run: not timed any further
constexpr Bytes kWorkspaceBytes = Bytes{256} << 20;  // split sums over many rows may want more than 32 MiB

}  // namespace

/// The library is column-major: a row-major array is the transpose of what it sees.
cublasLtMatrixLayout_t FastestProduct::layout(int64_t rows, int64_t columns) {
  cublasLtMatrixLayout_t made = nullptr;
  CUBLAS_CHECK(cublasLtMatrixLayoutCreate(&made, CUDA_R_16BF, static_cast<uint64_t>(columns),
                                          static_cast<uint64_t>(rows), columns));
  return made;
}

/// C^T = op(B)^T op(A)^T, so the first factor of the library is b.
FastestProduct::FastestProduct(const MatmulShape& s, Stream stream)
    : shape_(s), a_(s.m * s.k), b_(s.k * s.n), c_(s.m * s.n), workspace_(kWorkspaceBytes) {
  for (const Buffer<BFloat16>* buffer : {&a_, &b_, &c_}) fill_random(*buffer, 1.0f);
  CUBLAS_CHECK(cublasLtCreate(&library_));
  CUBLAS_CHECK(cublasLtMatmulDescCreate(&description_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const auto operation = [](Transpose t) { return t == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const cublasOperation_t of_b = operation(s.transpose_b), of_a = operation(s.transpose_a);
  CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_TRANSA, &of_b, sizeof of_b));
  CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_TRANSB, &of_a, sizeof of_a));
  first_ = s.transpose_b == Transpose::yes ? layout(s.n, s.k) : layout(s.k, s.n);
  second_ = s.transpose_a == Transpose::yes ? layout(s.k, s.m) : layout(s.m, s.k);
  result_ = layout(s.m, s.n);
  Seconds best = std::numeric_limits<Seconds>::infinity();
  for (const cublasLtMatmulHeuristicResult_t& candidate : ask()) {
    if (try_to_run(candidate.algo, stream) != CUBLAS_STATUS_SUCCESS) continue;  // the others still give a yardstick
    if (seconds_of(stream, [&] { run(candidate.algo, stream); }) > kHopeless * best) continue;
    const Seconds seconds = medians_in_turns(stream, {[&] { run(candidate.algo, stream); }}, kTimed)[0];
    if (seconds < best) best = seconds, fastest_ = candidate.algo;
  }
  if (best == std::numeric_limits<Seconds>::infinity())
    throw DeviceError("cuda: cuBLASLt has no product to compare with");
}

FastestProduct::~FastestProduct() {
  for (cublasLtMatrixLayout_t layout : {first_, second_, result_}) (void)cublasLtMatrixLayoutDestroy(layout);
  (void)cublasLtMatmulDescDestroy(description_);
  (void)cublasLtDestroy(library_);
}

double FastestProduct::flops() const {
  return 2.0 * static_cast<double>(shape_.m) * static_cast<double>(shape_.n) * static_cast<double>(shape_.k);
}

/// Those that the device takes.
std::vector<cublasLtMatmulHeuristicResult_t> FastestProduct::ask() const {
  cublasLtMatmulPreference_t preference = nullptr;
  CUBLAS_CHECK(cublasLtMatmulPreferenceCreate(&preference));
  const auto bytes = static_cast<uint64_t>(kWorkspaceBytes);
  std::vector<cublasLtMatmulHeuristicResult_t> found(kAskedFor);
  int count = 0;
  cublasStatus_t status =
      cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatmulAlgoGetHeuristic(library_, description_, first_, second_, result_, result_, preference,
                                            kAskedFor, found.data(), &count);
  (void)cublasLtMatmulPreferenceDestroy(preference);
  CUBLAS_CHECK(status);
  found.resize(static_cast<size_t>(count));
  std::erase_if(found, [](const auto& candidate) { return candidate.state != CUBLAS_STATUS_SUCCESS; });
  return found;
}

cublasStatus_t FastestProduct::try_to_run(const cublasLtMatmulAlgo_t& algorithm, Stream stream) {
  const float alpha = 1.0f, beta = shape_.accumulate ? 1.0f : 0.0f;
  return cublasLtMatmul(library_, description_, &alpha, b_.data(), first_, a_.data(), second_, &beta, c_.data(),
                        result_, c_.data(), result_, &algorithm, workspace_.data(), kWorkspaceBytes, stream);
}

void FastestProduct::run(const cublasLtMatmulAlgo_t& algorithm, Stream stream) {
  CUBLAS_CHECK(try_to_run(algorithm, stream));
}

}  // namespace moesaic::executor::cuda
