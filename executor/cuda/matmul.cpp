#include "executor/cuda/matmul.h"

#include <unordered_map>

#include "core/schema/error.h"
#include "executor/cuda/cuda_check.h"

namespace moesaic::executor::cuda {
namespace {

constexpr Bytes kWorkspaceBytes = 32 << 20;  // cuBLAS documentation, cublasSetWorkspace: 32 MiB recommended on Hopper
constexpr int kCandidates = 8;               // the heuristic may list some that the device refuses
constexpr size_t kMaxAlgorithms = 4096;      // about 600 bytes each; routed row counts would grow it without end

struct Release {
  void operator()(cublasLtMatmulDescOpaque_t* d) const { (void)cublasLtMatmulDescDestroy(d); }
  void operator()(cublasLtMatrixLayoutOpaque_t* d) const { (void)cublasLtMatrixLayoutDestroy(d); }
  void operator()(cublasLtMatmulPreferenceOpaque_t* d) const { (void)cublasLtMatmulPreferenceDestroy(d); }
};
using Description = std::unique_ptr<cublasLtMatmulDescOpaque_t, Release>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Release>;
using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Release>;

/// The library is column-major. A row-major array read column-major is its transpose, so C^T = op(B)^T op(A)^T:
/// the first factor of the library is our b, the second our a.
struct Call {
  Description description;
  Layout first, second, result;
};

Layout layout(cudaDataType_t type, int64_t stored_rows, int64_t stored_columns) {
  cublasLtMatrixLayout_t made = nullptr;
  CUBLAS_CHECK(cublasLtMatrixLayoutCreate(&made, type, static_cast<uint64_t>(stored_columns),
                                          static_cast<uint64_t>(stored_rows), stored_columns));
  return Layout(made);
}

Description description(const MatmulShape& shape) {
  cublasLtMatmulDesc_t made = nullptr;
  CUBLAS_CHECK(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  Description owned(made);
  const cublasOperation_t first = shape.transpose_b == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = shape.transpose_a == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N;
  CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(made, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first));
  CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(made, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second));
  return owned;
}

cudaDataType_t data_type(DType format) { return format == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

Call make_call(const MatmulKey& key) {
  const MatmulShape& s = key.shape;
  const cudaDataType_t type = data_type(key.operands);
  return {description(s), s.transpose_b == Transpose::no ? layout(type, s.k, s.n) : layout(type, s.n, s.k),
          s.transpose_a == Transpose::no ? layout(type, s.m, s.k) : layout(type, s.k, s.m),
          layout(data_type(key.result), s.m, s.n)};
}

cublasLtMatmulAlgo_t choose_algorithm(cublasLtHandle_t handle, const Call& call, const MatmulKey& key) {
  cublasLtMatmulPreference_t made = nullptr;
  CUBLAS_CHECK(cublasLtMatmulPreferenceCreate(&made));
  const Preference preference(made);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    CUBLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(kWorkspaceBytes));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.align_b);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.align_a);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.align_c);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.align_c);
  cublasLtMatmulHeuristicResult_t found[kCandidates]{};
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle, call.description.get(), call.first.get(), call.second.get(),
                                     call.result.get(), call.result.get(), made, kCandidates, found, &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) CUBLAS_CHECK(status);
  // In the order of their estimated times; nothing is timed here, so a shape always gets the same one.
  for (int i = 0; i < count; ++i)
    if (found[i].state == CUBLAS_STATUS_SUCCESS) return found[i].algo;
  throw DeviceError("cuda: cuBLASLt knows no algorithm for a product of m = " + std::to_string(key.shape.m) +
                    ", n = " + std::to_string(key.shape.n) + ", k = " + std::to_string(key.shape.k));
}

}  // namespace

struct Matmul::Library {
  Library() { CUBLAS_CHECK(cublasLtCreate(&handle)); }
  ~Library() { (void)cublasLtDestroy(handle); }
  cublasLtHandle_t handle = nullptr;
  std::unordered_map<MatmulKey, cublasLtMatmulAlgo_t, MatmulKeyHash> algorithms;
};

Matmul::Matmul(StreamScratch& scratch) : library_(std::make_unique<Library>()), scratch_(scratch) {}
Matmul::~Matmul() = default;

size_t Matmul::cached_algorithms() const { return library_->algorithms.size(); }

void Matmul::run(const void* a, const void* b, void* c, const MatmulShape& shape, DType operands, DType result,
                 Stream stream) {
  if (shape.m == 0 || shape.n == 0) return;
  if (shape.k == 0) {  // an empty sum; the library refuses empty matrices
    if (!shape.accumulate)
      CUDA_CHECK(cudaMemsetAsync(c, 0, static_cast<size_t>(bytes_of(result, shape.m * shape.n)), stream));
    return;
  }
  const MatmulKey key = matmul_key(a, b, c, shape, operands, result);
  const Call call = make_call(key);
  auto& algorithms = library_->algorithms;
  auto known = algorithms.find(key);
  if (known == algorithms.end()) {
    if (algorithms.size() >= kMaxAlgorithms) algorithms.clear();
    known = algorithms.emplace(key, choose_algorithm(library_->handle, call, key)).first;
  }
  const float alpha = 1.0f, beta = shape.accumulate ? 1.0f : 0.0f;
  CUBLAS_CHECK(cublasLtMatmul(library_->handle, call.description.get(), &alpha, b, call.first.get(), a,
                              call.second.get(), &beta, c, call.result.get(), c, call.result.get(), &known->second,
                              scratch_.get(stream, Scratch::workspace, kWorkspaceBytes), kWorkspaceBytes, stream));
}

}  // namespace moesaic::executor::cuda
