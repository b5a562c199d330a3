#include "executor/cuda/cudnn_attention.h"

#ifdef MOESAIC_HAVE_CUDNN

#include <cmath>
#include <exception>
#include <limits>
#include <map>

#include "core/schema/error.h"
#include "executor/cuda/attention_graph.h"
#include "executor/cuda/attention_parts.h"

namespace moesaic::executor::cuda {
namespace {

/// A graph and the plan that cuDNN prefers for it.
struct Program {
  CudnnPlan plan;
  std::vector<int64_t> operands;
};

/// The first engine that compiles. One that fails must not hide the next; where none is left, its error is thrown, for
/// the plain kernels would be slow without a word.
std::optional<Program> compile(AttentionGraph graph, const Descriptor& device) {
  std::exception_ptr failed;
  for (const Descriptor& config : graph.graph.engine_configs(device)) {
    try {
      if (std::optional<CudnnPlan> plan = CudnnPlan::make(config, device))
        return Program{std::move(*plan), std::move(graph.operands)};
    } catch (const DeviceError&) {
      if (!failed) failed = std::current_exception();
    }
  }
  if (failed) std::rethrow_exception(failed);
  return std::nullopt;
}

struct Programs {
  std::optional<Program> forward, backward;
  AttentionShape part;  // of one backward run
};

/// What the engines read 16 bytes at a time must begin at multiples of 16.
template <typename... Pointers>
bool aligned(const Pointers*... data) {
  return ((reinterpret_cast<uintptr_t>(data) % 16 == 0) && ...);
}

/// cudnn-frontend's own checks of the same graphs: heads of multiples of 8 elements, and more than one token.
bool worth_asking(const AttentionShape& shape) {
  return shape.head_dim % 8 == 0 && shape.seq > 1 && cudnn_gradients_are_right(cudnnGetVersion(), shape.seq);
}

/// The numbers that the graphs take by value. cuDNN wants them as pointers like all operands.
struct Constants {
  explicit Constants(const AttentionShape& shape) : scale(1.0f / std::sqrt(static_cast<float>(shape.head_dim))) {}
  float scale, masked = -std::numeric_limits<float>::infinity(), one = 1.0f;
};

template <typename T>
void* operand(const T* data) {
  return const_cast<std::remove_const_t<T>*>(data);  // the graph says which operands are written
}

}  // namespace

struct CudnnAttention::Library {
  explicit Library(Bytes limit) : score_limit(limit) {
    CUDNN_CHECK(cudnnCreate(&handle));
    try {
      device = device_properties(handle);
    } catch (...) {
      (void)cudnnDestroy(handle);
      throw;
    }
  }
  ~Library() { (void)cudnnDestroy(handle); }

  /// nullptr where cuDNN refuses.
  const Programs* find(const AttentionShape& shape) {
    auto known = programs.find(shape);
    if (known == programs.end()) {
      Programs made{std::nullopt, std::nullopt, backward_part(shape, score_limit)};
      if (worth_asking(shape)) made.forward = compile(forward_graph({shape, shape}), device);
      if (made.forward) made.backward = compile(backward_graph({made.part, shape}), device);
      known = programs.emplace(shape, std::move(made)).first;
    }
    return known->second.backward ? &known->second : nullptr;
  }

  void run(const Program& program, const std::vector<void*>& operands, StreamScratch& scratch, Stream stream) {
    CUDNN_CHECK(cudnnSetStream(handle, stream));
    void* workspace = scratch.get(stream, Scratch::workspace, program.plan.workspace_bytes());
    program.plan.run(handle, program.operands, operands, workspace);
  }

  Bytes score_limit;
  cudnnHandle_t handle = nullptr;
  Descriptor device;
  std::map<AttentionShape, Programs> programs;
};

CudnnAttention::CudnnAttention(StreamScratch& scratch, Bytes score_limit)
    : scratch_(scratch), score_limit_(score_limit) {}
CudnnAttention::~CudnnAttention() = default;

CudnnAttention::Library& CudnnAttention::library() {
  if (library_ == nullptr) library_ = std::make_unique<Library>(score_limit_);
  return *library_;
}

bool CudnnAttention::forward(const BFloat16* turned, const BFloat16* qkv, BFloat16* out, float* saved,
                             const AttentionShape& shape, Stream stream) {
  if (!aligned(turned, qkv, out, saved)) return false;
  const Programs* programs = library().find(shape);
  if (programs == nullptr) return false;
  Constants by_value(shape);
  library().run(*programs->forward,
                {operand(turned), operand(turned + shape.k_column()), operand(qkv + shape.v_column()), out, saved,
                 &by_value.scale, &by_value.masked},
                scratch_, stream);
  return true;
}

bool CudnnAttention::backward(const BFloat16* dout, const BFloat16* turned, const BFloat16* qkv, const BFloat16* out,
                              const float* saved, BFloat16* dqkv, float* row_sums, const AttentionShape& shape,
                              Stream stream) {
  if (!aligned(dout, turned, qkv, out, saved, dqkv, row_sums)) return false;
  const Programs* programs = library().find(shape);
  if (programs == nullptr) return false;
  const AttentionShape& part = programs->part;
  Constants by_value(shape);
  for (int64_t item = 0; item < shape.batch; item += part.batch)
    for (int64_t kv_head = 0; kv_head < shape.kv_heads; kv_head += part.kv_heads) {
      const int64_t token = item * shape.seq, head = kv_head * shape.group();
      const int64_t q = head * shape.head_dim, k = shape.k_column() + kv_head * shape.head_dim;
      const int64_t v = shape.v_column() + kv_head * shape.head_dim, in_out = token * shape.out_columns() + q;
      const int64_t row = (item * shape.heads + head) * shape.seq;
      const BFloat16 *of_turned = turned + token * shape.turned_columns(), *of_qkv = qkv + token * shape.qkv_columns();
      BFloat16* of_dqkv = dqkv + token * shape.qkv_columns();
      library().run(*programs->backward,
                    {operand(of_turned + q), operand(of_turned + k), operand(of_qkv + v), operand(out + in_out),
                     operand(dout + in_out), operand(saved + row), row_sums + row, of_dqkv + q, of_dqkv + k,
                     of_dqkv + v, &by_value.scale, &by_value.masked, &by_value.one},
                    scratch_, stream);
    }
  return true;
}

}  // namespace moesaic::executor::cuda

#else

namespace moesaic::executor::cuda {

struct CudnnAttention::Library {};

CudnnAttention::CudnnAttention(StreamScratch& scratch, Bytes score_limit)
    : scratch_(scratch), score_limit_(score_limit) {}
CudnnAttention::~CudnnAttention() = default;

bool CudnnAttention::forward(const BFloat16*, const BFloat16*, BFloat16*, float*, const AttentionShape&, Stream) {
  return false;
}
bool CudnnAttention::backward(const BFloat16*, const BFloat16*, const BFloat16*, const BFloat16*, const float*,
                              BFloat16*, float*, const AttentionShape&, Stream) {
  return false;
}

}  // namespace moesaic::executor::cuda

#endif
