// Tasks of the MoE layer -> operator calls, in f32 or bf16 as the task's rows are stored. The route tensor holds for
// every choice [tokens * top_k] its expert and its weight (f32), then for every choice and slice of its expert
// [tokens * top_k * expert_slices] the row in its chunk's send buffer. Slot counts are known to the host.
#include "executor/backend/row_order.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/experts.h"
#include "executor/cuda/permute.h"
#include "executor/cuda/regroup.h"
#include "executor/cuda/router.h"
#include "executor/cuda/storage_format.h"

namespace moesaic::executor::cuda {
namespace {

Route route_at(const Launch& l, const Operand& route, int64_t first_token) {
  const int64_t k = l.context.plan->model.top_k, choices = l.context.graph->tokens_per_rank * k;
  int32_t* data = route.i32();
  return {data + first_token * k, reinterpret_cast<float*>(data + choices) + first_token * k,
          data + 2 * choices + first_token * k * l.context.graph->expert_slices};
}

/// The tokens of the task's chunk and their part of the route tensor.
struct ChunkRoute {
  int64_t first_token;
  Route route;
  PermuteShape shape;
};

ChunkRoute chunk_route(const Launch& l, const Operand& route) {
  const int64_t tokens = l.context.graph->tokens_per_rank, first = l.task.chunk * tokens / l.task.num_chunks;
  const int64_t count = (l.task.chunk + 1) * tokens / l.task.num_chunks - first;
  return {first,
          route_at(l, route, first),
          {count, l.context.plan->model.top_k, l.context.graph->expert_slices, l.context.plan->model.hidden}};
}

RowPlacement row_placement(const Launch& l) {
  const Plan& plan = *l.context.plan;
  const bool limited = plan.dispatch.capacity_factor > 0;
  return {l.context.graph->placement[static_cast<size_t>(l.task.moe_layer)].slot_to_expert,
          l.context.graph->expert_slices,
          limited ? capacity_rows(plan.dispatch.capacity_factor, l.context.graph->tokens_per_rank, plan.model.top_k,
                                  plan.model.num_experts)
                  : kNoCapacity,
          plan.dispatch.kind == DispatchKind::padded};
}

RouterShape router_shape(const Launch& l, int64_t tokens) {
  return {tokens, l.task.shape.k, l.task.shape.n, l.task.shape.top_k};
}

template <typename Element>
void router(const Launch& l, Linear& linear, Stream stream) {
  router_forward(linear, l.reads[0].as<const Element>(), l.reads[1].as<const Element>(), l.writes[0].f32(),
                 route_at(l, l.writes[1], 0), l.writes[2].i32(), router_shape(l, l.context.graph->tokens_per_rank),
                 l.context.graph->num_chunks, row_placement(l), stream);
}

/// d(loss)/d(p_te) = alpha E f_e / (T M), with f_e = n_e / (T k) of all T tokens of the step's microbatch.
AuxiliaryLoss auxiliary_loss(const Launch& l) {
  const Plan& plan = *l.context.plan;
  const auto experts = static_cast<double>(l.task.shape.n), tokens = static_cast<double>(l.context.step_tokens());
  const double scale = plan.model.auxiliary_coefficient * experts / (tokens * static_cast<double>(plan.model.top_k)) /
                       (tokens * plan.layout.micro_batches);
  const Operand& counts = l.reads[3];  // [ranks, chunks * experts]
  AuxiliaryLoss loss{scale, counts.i32(), counts.elements() / l.task.shape.n,
                     static_cast<double*>(l.writes[2].data) + 1};
  if (counts.row_stride > 0) {
    loss.rows_together = counts.row_elements / l.task.shape.n;
    loss.stride = counts.row_stride;
  }
  return loss;
}

template <typename Element>
void router_gradient(const Launch& l, Linear& linear, Stream stream) {
  const Route route = route_at(l, l.reads[2], 0);
  router_backward(linear, l.reads[0].f32(), l.reads[1].f32(), route.chosen, route.weights, auxiliary_loss(l),
                  l.reads[4].as<const Element>(), l.reads[5].as<const Element>(), l.writes[0].as<Element>(),
                  l.writes[1].as<Element>(), router_shape(l, l.task.fixed_rows), stream);
}

/// Padded slots have rows that no token fills.
void clear_padding(const Launch& l, const Operand& rows, Stream stream) {
  if (l.context.plan->dispatch.kind != DispatchKind::padded || rows.elements() == 0) return;
  CUDA_CHECK(cudaMemsetAsync(rows.data, 0, static_cast<size_t>(rows.bytes()), stream));
}

template <typename Element>
void permute(const Launch& l, Stream stream) {
  const ChunkRoute c = chunk_route(l, l.reads[1]);
  clear_padding(l, l.writes[0], stream);
  permute_forward(l.reads[0].as<const Element>() + c.first_token * c.shape.h, c.route.rows, l.writes[0].as<Element>(),
                  c.shape, stream);
}

template <typename Element>
void permute_gradient(const Launch& l, Stream stream) {
  const ChunkRoute c = chunk_route(l, l.reads[1]);
  permute_backward(l.reads[0].as<const Element>(), c.route.rows, l.writes[0].as<Element>() + c.first_token * c.shape.h,
                   c.shape, stream);
}

template <typename Element>
void unpermute(const Launch& l, Stream stream) {
  const ChunkRoute c = chunk_route(l, l.reads[1]);
  const int64_t offset = c.first_token * c.shape.h;
  unpermute_forward(l.reads[0].as<const Element>(), c.route.rows, c.route.weights,
                    l.reads[2].as<const Element>() + offset, l.writes[0].as<Element>() + offset, c.shape, stream);
}

template <typename Element>
void unpermute_gradient(const Launch& l, Stream stream) {
  const ChunkRoute c = chunk_route(l, l.reads[2]);
  clear_padding(l, l.writes[0], stream);
  unpermute_backward(l.reads[0].as<const Element>() + c.first_token * c.shape.h, l.reads[1].as<const Element>(),
                     c.route.rows, c.route.weights, l.writes[0].as<Element>(),
                     l.writes[1].f32() + c.first_token * c.shape.top_k, c.shape, stream);
}

void regroup(const Launch& l, Stream stream) {
  const Operand &from = l.reads[0], &to = l.writes[0];
  const Regroup order = l.task.regroup;
  if (order == Regroup::join_columns || order == Regroup::split_columns) {
    const Operand& pieces = order == Regroup::join_columns ? from : to;  // as wide as what one rank holds
    return (order == Regroup::join_columns ? join_columns : split_columns)(
        from.data, to.data, l.task.fixed_rows, l.task.shape.k / pieces.row_elements,
        bytes_of(pieces.dtype, pieces.row_elements), stream);
  }
  const Bytes row_bytes = bytes_of(from.dtype, l.task.shape.k);
  std::vector<CopySegment> copies;
  for (const RowSegment& segment :
       regroup_segments(order, l.chunk_counts(), l.context.position(), l.context.ranks_per_node()))
    copies.push_back({from.as<const std::byte>() + segment.from * row_bytes, segment.rows * row_bytes});
  concatenate(copies, to.data, stream);
}

/// visit(slot, data) for the slots that an operand holds: all `slots`, or those of a window.
template <typename Element, typename Visit>
void for_slots(const Launch& l, const Operand& held, int64_t slots, const Visit& visit) {
  auto* data = held.as<Element>();
  if (is_window(l.context.graph->tensors[static_cast<size_t>(held.tensor)].rows)) {
    for (size_t row = 0; row < held.slots.size(); ++row)
      visit(static_cast<size_t>(held.slots[row]), data + static_cast<int64_t>(row) * held.row_elements);
    return;
  }
  for (int64_t slot = 0; slot < slots; ++slot) visit(static_cast<size_t>(slot), data + slot * held.elements() / slots);
}

/// [slots]; of slots that no operand holds null. first: the first read that holds such weights, which come in pairs of
/// up and down.
template <typename Element>
std::vector<const Element*> slot_weights(const Launch& l, size_t first, int64_t slots) {
  std::vector<const Element*> weights(static_cast<size_t>(slots), nullptr);
  for (size_t read = first; read < l.reads.size(); read += 2)
    for_slots<const Element>(l, l.reads[read], slots, [&](size_t slot, const Element* data) { weights[slot] = data; });
  return weights;
}

/// [slots], as above.
template <typename Element>
std::vector<Element*> slot_gradients(const Launch& l, const Operand& held, int64_t slots) {
  std::vector<Element*> gradients(static_cast<size_t>(slots), nullptr);
  for_slots<Element>(l, held, slots, [&](size_t slot, Element* data) { gradients[slot] = data; });
  return gradients;
}

ExpertsShape experts_shape(const Launch& l) { return {l.counts[0].slots_per_rank(), l.task.shape.k, l.task.shape.n}; }

template <typename Element>
void experts(const Launch& l, Linear& linear, Stream stream) {
  const ExpertsShape shape = experts_shape(l);
  const std::vector<int64_t> rows = l.chunk_counts().slot_rows(l.context.position());
  experts_forward(linear, l.reads[0].as<const Element>(), rows.data(), slot_weights<Element>(l, 2, shape.slots).data(),
                  slot_weights<Element>(l, 3, shape.slots).data(), l.writes[0].as<Element>(), l.writes[1].as<Element>(),
                  l.writes[2].as<Element>(), shape, stream);
}

template <typename Element>
void experts_data_gradient(const Launch& l, Linear& linear, Stream stream) {
  const ExpertsShape shape = experts_shape(l);
  const std::vector<int64_t> rows = l.chunk_counts().slot_rows(l.context.position());
  experts_dgrad(linear, l.reads[0].as<const Element>(), l.reads[2].as<const Element>(), rows.data(),
                slot_weights<Element>(l, 3, shape.slots).data(), slot_weights<Element>(l, 4, shape.slots).data(),
                l.writes[0].as<Element>(), l.writes[1].as<Element>(), shape, stream);
}

/// One operand of all chunks in the order of a whole exchange, so that weight gradients sum in the same order whatever
/// the chunks, and are rounded once. reads: counts, then per chunk {received, activated, d_out, d_hidden}.
template <typename Element>
const Element* gathered(const Launch& l, const std::vector<ChunkSegment>& order, size_t operand, int64_t width,
                        Linear& linear, Stream stream) {
  constexpr Scratch kPurposes[] = {Scratch::gathered_x, Scratch::gathered_a, Scratch::gathered_dy,
                                   Scratch::gathered_du};
  if (l.counts.size() == 1) return l.reads[1 + operand].as<const Element>();
  const Bytes row_bytes = width * static_cast<Bytes>(sizeof(Element));
  std::vector<CopySegment> copies;
  Bytes bytes = 0;
  for (const ChunkSegment& segment : order) {
    const Operand& of_chunk = l.reads[1 + 4 * static_cast<size_t>(segment.chunk) + operand];
    copies.push_back({of_chunk.as<const std::byte>() + segment.from * row_bytes, segment.rows * row_bytes});
    bytes += copies.back().bytes;
  }
  void* whole = linear.scratch().get(stream, kPurposes[operand], bytes);
  concatenate(copies, whole, stream);
  return static_cast<const Element*>(whole);
}

template <typename Element>
void experts_weight_gradient(const Launch& l, Linear& linear, Stream stream) {
  const ExpertsShape shape = experts_shape(l);
  std::vector<int64_t> rows(static_cast<size_t>(shape.slots), 0);
  for (const SlotCounts& chunk : l.counts) {
    const std::vector<int64_t> of_chunk = chunk.slot_rows(l.context.position());
    for (size_t slot = 0; slot < rows.size(); ++slot) rows[slot] += of_chunk[slot];
  }
  const std::vector<ChunkSegment> order = whole_order(l.counts, l.context.position());
  const Element* received = gathered<Element>(l, order, 0, shape.h, linear, stream);
  const Element* activated = gathered<Element>(l, order, 1, shape.f, linear, stream);
  const Element* d_out = gathered<Element>(l, order, 2, shape.h, linear, stream);
  const Element* d_hidden = gathered<Element>(l, order, 3, shape.f, linear, stream);
  experts_wgrad(linear, d_out, d_hidden, received, activated, rows.data(),
                slot_gradients<Element>(l, l.writes[0], shape.slots).data(),
                slot_gradients<Element>(l, l.writes[1], shape.slots).data(), shape, stream);
}

template <typename Element>
void launch_typed(const Launch& l, Linear& linear, Stream stream) {
  switch (l.task.op) {
    case Op::router:
      return router<Element>(l, linear, stream);
    case Op::router_backward:
      return router_gradient<Element>(l, linear, stream);
    case Op::permute:
      return permute<Element>(l, stream);
    case Op::permute_backward:
      return permute_gradient<Element>(l, stream);
    case Op::unpermute:
      return unpermute<Element>(l, stream);
    case Op::unpermute_backward:
      return unpermute_gradient<Element>(l, stream);
    case Op::regroup:
      return regroup(l, stream);
    case Op::experts:
      return experts<Element>(l, linear, stream);
    case Op::experts_dgrad:
      return experts_data_gradient<Element>(l, linear, stream);
    case Op::experts_wgrad:
      return experts_weight_gradient<Element>(l, linear, stream);
    default:
      throw_no_operator(l.task.op);
  }
}

/// An operand that has the format of the task's rows: not the first where that holds counts or d_weights.
size_t typed_operand(Op op) { return op == Op::experts_wgrad ? 1 : op == Op::router_backward ? 4 : 0; }

}  // namespace

void launch_moe(const Launch& l, Linear& linear, Stream stream) {
  with_element(l.reads[typed_operand(l.task.op)].dtype,
               [&](auto element) { launch_typed<decltype(element)>(l, linear, stream); });
}

}  // namespace moesaic::executor::cuda
