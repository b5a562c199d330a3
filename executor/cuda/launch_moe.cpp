// Tasks of the MoE layer -> operator calls. The route tensor holds [3][tokens * top_k]: expert, weight (f32), row in
// its chunk's send buffer. Slot counts are known to the host, so rows per expert need no device-side sizes.
#include "core/schema/error.h"
#include "executor/backend/row_order.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/experts.h"
#include "executor/cuda/permute.h"

namespace moesaic::executor::cuda {
namespace {

/// The tokens of the task's chunk and their part of the route tensor.
struct ChunkRoute {
  int64_t first_token;
  const int32_t* rows;
  const float* weights;
  PermuteShape shape;
};

ChunkRoute chunk_route(const Launch& l, const Operand& route) {
  MOESAIC_CHECK(l.context.graph->expert_slices == 1, "the CUDA kernels do not know slices of experts yet");
  const int64_t tokens = l.context.graph->tokens_per_rank, k = l.context.plan->model.top_k;
  const int64_t first = l.task.chunk * tokens / l.task.num_chunks;
  const int64_t count = (l.task.chunk + 1) * tokens / l.task.num_chunks - first;
  const int32_t* data = route.i32() + first * k;
  return {first,
          data + 2 * tokens * k,
          reinterpret_cast<const float*>(data + tokens * k),
          {count, k, l.context.plan->model.hidden}};
}

/// Padded slots have rows that no token fills.
void clear_padding(const Launch& l, const Operand& rows, Stream stream) {
  if (l.context.plan->dispatch.kind != DispatchKind::padded) return;
  CUDA_CHECK(cudaMemsetAsync(rows.data, 0, static_cast<size_t>(rows.elements()) * sizeof(float), stream));
}

void permute(const Launch& l, Stream stream) {
  const ChunkRoute route = chunk_route(l, l.reads[1]);
  clear_padding(l, l.writes[0], stream);
  permute_forward(l.reads[0].f32() + route.first_token * route.shape.h, route.rows, l.writes[0].f32(), route.shape,
                  stream);
}

void permute_gradient(const Launch& l, Stream stream) {
  const ChunkRoute route = chunk_route(l, l.reads[1]);
  permute_backward(l.reads[0].f32(), route.rows, l.writes[0].f32() + route.first_token * route.shape.h, route.shape,
                   stream);
}

void unpermute(const Launch& l, Stream stream) {
  const ChunkRoute route = chunk_route(l, l.reads[1]);
  const int64_t offset = route.first_token * route.shape.h;
  unpermute_forward(l.reads[0].f32(), route.rows, route.weights, l.reads[2].f32() + offset, l.writes[0].f32() + offset,
                    route.shape, stream);
}

void unpermute_gradient(const Launch& l, Stream stream) {
  const ChunkRoute route = chunk_route(l, l.reads[2]);
  clear_padding(l, l.writes[0], stream);
  unpermute_backward(l.reads[0].f32() + route.first_token * route.shape.h, l.reads[1].f32(), route.rows, route.weights,
                     l.writes[0].f32(), l.writes[1].f32() + route.first_token * route.shape.k, route.shape, stream);
}

void copy_rows(const float* from, float* to, int64_t elements, Stream stream) {
  if (elements == 0) return;
  CUDA_CHECK(
      cudaMemcpyAsync(to, from, static_cast<size_t>(elements) * sizeof(float), cudaMemcpyDeviceToDevice, stream));
}

void regroup(const Launch& l, Stream stream) {
  const int64_t h = l.task.shape.k;
  float* to = l.writes[0].f32();
  for (const RowSegment& segment :
       regroup_segments(l.task.regroup, l.chunk_counts(), l.context.position(), l.context.ranks_per_node())) {
    copy_rows(l.reads[0].f32() + segment.from * h, to, segment.rows * h, stream);
    to += segment.rows * h;
  }
}

Precision precision_of(const Task& task) { return task.dtype == DType::bf16 ? Precision::bf16 : Precision::f32; }
ExpertsShape experts_shape(const Launch& l) { return {l.counts[0].slots_per_rank(), l.task.shape.k, l.task.shape.n}; }

void experts(const Launch& l, Linear& linear, Stream stream) {
  const std::vector<int64_t> rows = l.chunk_counts().slot_rows(l.context.position());
  experts_forward(linear, l.reads[0].f32(), rows.data(), l.reads[2].f32(), l.reads[3].f32(), l.writes[0].f32(),
                  l.writes[1].f32(), l.writes[2].f32(), experts_shape(l), precision_of(l.task), stream);
}

void experts_data_gradient(const Launch& l, Linear& linear, Stream stream) {
  const std::vector<int64_t> rows = l.chunk_counts().slot_rows(l.context.position());
  experts_dgrad(linear, l.reads[0].f32(), l.reads[2].f32(), rows.data(), l.reads[3].f32(), l.reads[4].f32(),
                l.writes[0].f32(), l.writes[1].f32(), experts_shape(l), precision_of(l.task), stream);
}

/// One operand of all chunks in the order of a whole exchange, so that weight gradients sum in the same order whatever
/// the chunks. reads: counts, then per chunk {received, activated, d_out, d_hidden}.
const float* gathered(const Launch& l, const std::vector<ChunkSegment>& order, size_t operand, int64_t width,
                      Linear& linear, Stream stream) {
  constexpr Scratch kPurposes[] = {Scratch::gathered_x, Scratch::gathered_a, Scratch::gathered_dy,
                                   Scratch::gathered_du};
  if (l.counts.size() == 1) return l.reads[1 + operand].f32();
  int64_t rows = 0;
  for (const ChunkSegment& segment : order) rows += segment.rows;
  auto* whole = static_cast<float*>(
      linear.scratch().get(stream, kPurposes[operand], rows * width * static_cast<Bytes>(sizeof(float))));
  float* to = whole;
  for (const ChunkSegment& segment : order) {
    const float* from = l.reads[1 + 4 * static_cast<size_t>(segment.chunk) + operand].f32();
    copy_rows(from + segment.from * width, to, segment.rows * width, stream);
    to += segment.rows * width;
  }
  return whole;
}

void experts_weight_gradient(const Launch& l, Linear& linear, Stream stream) {
  const ExpertsShape shape = experts_shape(l);
  std::vector<int64_t> rows(static_cast<size_t>(shape.slots), 0);
  for (const SlotCounts& chunk : l.counts) {
    const std::vector<int64_t> of_chunk = chunk.slot_rows(l.context.position());
    for (size_t slot = 0; slot < rows.size(); ++slot) rows[slot] += of_chunk[slot];
  }
  const std::vector<ChunkSegment> order = whole_order(l.counts, l.context.position());
  const float* received = gathered(l, order, 0, shape.h, linear, stream);
  const float* activated = gathered(l, order, 1, shape.f, linear, stream);
  const float* d_out = gathered(l, order, 2, shape.h, linear, stream);
  const float* d_hidden = gathered(l, order, 3, shape.f, linear, stream);
  experts_wgrad(linear, d_out, d_hidden, received, activated, rows.data(), l.writes[0].f32(), l.writes[1].f32(), shape,
                precision_of(l.task), stream);
}

}  // namespace

void launch_moe(const Launch& l, Linear& linear, Stream stream) {
  switch (l.task.op) {
    case Op::permute:
      return permute(l, stream);
    case Op::permute_backward:
      return permute_gradient(l, stream);
    case Op::unpermute:
      return unpermute(l, stream);
    case Op::unpermute_backward:
      return unpermute_gradient(l, stream);
    case Op::regroup:
      return regroup(l, stream);
    case Op::experts:
      return experts(l, linear, stream);
    case Op::experts_dgrad:
      return experts_data_gradient(l, linear, stream);
    case Op::experts_wgrad:
      return experts_weight_gradient(l, linear, stream);
    default:
      throw_no_operator(l.task.op);
  }
}

}  // namespace moesaic::executor::cuda
