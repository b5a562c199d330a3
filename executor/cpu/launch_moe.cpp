// Tasks of the MoE layer -> operator calls. The route tensor holds for every choice [tokens * top_k] its expert and its
// weight (f32), then for every choice and slice of its expert [tokens * top_k * expert_slices] the row in its chunk's
// send buffer.
#include <cstring>
#include <numeric>

#include "core/schema/error.h"
#include "executor/backend/row_order.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/cpu/embedding.h"
#include "executor/cpu/experts.h"
#include "executor/cpu/permute.h"
#include "executor/cpu/router.h"

namespace moesaic::executor::cpu {
namespace {

Precision precision_of(const Task& task) { return task.dtype == DType::bf16 ? Precision::bf16 : Precision::f32; }

bool is_bf16(const Operand& operand) { return operand.dtype == DType::bf16; }

/// The route tensor by role, from the first token of a chunk on.
struct Route {
  int32_t* chosen;
  float* weights;
  int32_t* rows;
};

struct TokenRange {
  int64_t first, count;
};

TokenRange chunk_tokens(const Launch& l, int chunk, int num_chunks) {
  const int64_t tokens = l.context.graph->tokens_per_rank, first = chunk * tokens / num_chunks;
  return {first, (chunk + 1) * tokens / num_chunks - first};
}

Route route_at(const Launch& l, const Operand& route, int64_t first_token) {
  const int64_t k = l.context.plan->model.top_k, choices = l.context.graph->tokens_per_rank * k;
  int32_t* data = route.i32();
  return {data + first_token * k, reinterpret_cast<float*>(data + choices) + first_token * k,
          data + 2 * choices + first_token * k * l.context.graph->expert_slices};
}

PermuteShape permute_shape(const Launch& l) {
  return {chunk_tokens(l, l.task.chunk, l.task.num_chunks).count, l.task.shape.top_k, l.context.plan->model.hidden};
}

Route chunk_route(const Launch& l, const Operand& route) {
  return route_at(l, route, chunk_tokens(l, l.task.chunk, l.task.num_chunks).first);
}

int64_t chunk_capacity(const Launch& l, int chunk, int num_chunks) {
  const Plan& plan = *l.context.plan;
  if (plan.dispatch.capacity_factor <= 0) return kNoCapacity;
  return chunk_share(capacity_rows(plan.dispatch.capacity_factor, l.context.graph->tokens_per_rank, plan.model.top_k,
                                   plan.model.num_experts),
                     chunk, num_chunks);
}

/// The physical slot of every choice: replica j of R takes the rows of an expert from floor(j n / R) on
/// (split_over_slots).
std::vector<int32_t> slots_of_choices(const Launch& l, const int32_t* chosen, const std::vector<int64_t>& counts,
                                      int64_t choices) {
  const ExpertPlacement& placement = l.context.graph->placement[static_cast<size_t>(l.task.moe_layer)];
  std::vector<std::vector<int32_t>> slots_of(counts.size());
  for (size_t slot = 0; slot < placement.slot_to_expert.size(); ++slot)
    slots_of[static_cast<size_t>(placement.slot_to_expert[slot])].push_back(static_cast<int32_t>(slot));
  std::vector<int64_t> seen(counts.size(), 0);
  std::vector<int32_t> slots(static_cast<size_t>(choices), -1);
  for (int64_t i = 0; i < choices; ++i) {
    if (chosen[i] < 0) continue;
    const auto expert = static_cast<size_t>(chosen[i]);
    const auto replicas = static_cast<int64_t>(slots_of[expert].size());
    const int64_t row = seen[expert]++;
    int64_t replica = 0;
    while (replica + 1 < replicas && (replica + 1) * counts[expert] / replicas <= row) ++replica;
    slots[static_cast<size_t>(i)] = slots_of[expert][static_cast<size_t>(replica)];
  }
  return slots;
}

/// One value per slice of an expert from one per expert: what `of` says of value and slice.
template <typename T, typename Of>
std::vector<T> for_slices(const T* values, int64_t count, int slices, const Of& of) {
  std::vector<T> all;
  all.reserve(static_cast<size_t>(count * slices));
  for (int64_t i = 0; i < count; ++i)
    for (int slice = 0; slice < slices; ++slice) all.push_back(of(values[i], slice));
  return all;
}

/// Rows of the send buffer: in slot order, or in padded slots of `capacity` rows each.
void place_rows(const Launch& l, const Route& route, const std::vector<int64_t>& counts, int64_t tokens,
                int64_t capacity) {
  const ExpertPlacement& placement = l.context.graph->placement[static_cast<size_t>(l.task.moe_layer)];
  const auto num_slots = static_cast<int64_t>(placement.slot_to_expert.size());
  const int slices = l.context.graph->expert_slices;
  const int64_t k = l.task.shape.top_k * slices;
  const std::vector<int32_t> chosen =
      for_slices(route.chosen, tokens * l.task.shape.top_k, slices,
                 [=](int32_t expert, int slice) { return expert < 0 ? expert : expert * slices + slice; });
  const std::vector<int32_t> slots = slots_of_choices(l, chosen.data(), rows_of_slices(counts, slices), tokens * k);
  std::vector<int32_t> identity(static_cast<size_t>(num_slots));
  std::iota(identity.begin(), identity.end(), 0);
  std::vector<int64_t> rows_per_slot(static_cast<size_t>(num_slots));
  build_permutation(slots.data(), identity.data(), route.rows, rows_per_slot.data(), tokens, k, num_slots);
  if (l.context.plan->dispatch.kind != DispatchKind::padded) return;
  std::vector<int64_t> shift(rows_per_slot.size());  // padding before each slot
  for (size_t slot = 1; slot < shift.size(); ++slot) shift[slot] = shift[slot - 1] + capacity - rows_per_slot[slot - 1];
  for (int64_t i = 0; i < tokens * k; ++i)
    if (slots[static_cast<size_t>(i)] >= 0)
      route.rows[i] += static_cast<int32_t>(shift[static_cast<size_t>(slots[static_cast<size_t>(i)])]);
}

/// Chunk by chunk, because capacity and send buffers are the chunk's. local_counts: [chunks, num_experts].
void router(const Launch& l) {
  const int64_t h = l.task.shape.k, experts = l.task.shape.n;
  const int chunks = l.context.graph->num_chunks;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const TokenRange tokens = chunk_tokens(l, chunk, chunks);
    const int64_t capacity = chunk_capacity(l, chunk, chunks);
    const Route route = route_at(l, l.writes[1], tokens.first);
    std::vector<int64_t> counts(static_cast<size_t>(experts));
    router_forward(l.reads[0].f32() + tokens.first * h, l.reads[1].f32(), l.writes[0].f32() + tokens.first * experts,
                   route.chosen, route.weights, counts.data(),
                   {tokens.count, h, experts, l.task.shape.top_k, capacity});
    place_rows(l, route, counts, tokens.count, capacity);
    for (int64_t e = 0; e < experts; ++e)
      l.writes[2].i32()[chunk * experts + e] = static_cast<int32_t>(counts[static_cast<size_t>(e)]);
  }
}

/// d(loss)/d(p_te) = alpha E f_e / (T M), the same for every token; adds this rank's part of alpha E sum_e f_e P_e to
/// loss[1].
std::vector<float> auxiliary_gradient(const Launch& l) {
  const Plan& plan = *l.context.plan;
  const auto experts = static_cast<size_t>(l.task.shape.n);
  const Operand& counts = l.reads[3];  // [ranks, chunks * experts]
  const int64_t stride = counts.row_stride > 0 ? counts.row_stride : counts.row_elements;
  std::vector<double> chosen(experts, 0);
  for (int64_t rank = 0; rank < counts.rows; ++rank)
    for (int64_t i = 0; i < counts.row_elements; ++i)
      chosen[static_cast<size_t>(i) % experts] += counts.i32()[rank * stride + i];
  const auto tokens = static_cast<double>(l.context.step_tokens());
  const double scale = plan.model.auxiliary_coefficient * static_cast<double>(experts) /
                       (tokens * static_cast<double>(plan.model.top_k)) / (tokens * plan.layout.micro_batches);
  std::vector<double> mass(experts, 0);
  const float* p = l.reads[1].f32();
  for (int64_t t = 0; t < l.task.fixed_rows; ++t)
    for (size_t e = 0; e < experts; ++e) mass[e] += p[static_cast<size_t>(t) * experts + e];
  std::vector<float> gradient(experts);
  double auxiliary = 0;
  for (size_t e = 0; e < experts; ++e) {
    gradient[e] = static_cast<float>(scale * chosen[e]);
    auxiliary += scale * chosen[e] * mass[e];
  }
  static_cast<double*>(l.writes[2].data)[1] += auxiliary;
  return gradient;
}

void router_gradient(const Launch& l) {
  const std::vector<float> auxiliary = auxiliary_gradient(l);
  const Route route = route_at(l, l.reads[2], 0);
  std::memset(l.writes[0].data, 0, static_cast<size_t>(l.writes[0].elements()) * sizeof(float));
  router_backward(l.reads[0].f32(), l.reads[1].f32(), route.chosen, route.weights, auxiliary.data(), l.reads[4].f32(),
                  l.reads[5].f32(), l.writes[0].f32(), l.writes[1].f32(),
                  {l.task.fixed_rows, l.task.shape.k, l.task.shape.n, l.task.shape.top_k});
}

/// Pieces of rows are as wide as what one rank holds of the columns.
void regroup_columns(const Launch& l, bool join) {
  const int64_t m = l.task.fixed_rows, h = l.task.shape.k;
  const int64_t parts = h / (join ? l.reads[0] : l.writes[0]).row_elements;
  (join ? join_columns : split_columns)(l.reads[0].f32(), l.writes[0].f32(), m, h, parts);
}

void regroup(const Launch& l) {
  const int64_t h = l.task.shape.k;
  const Regroup order = l.task.regroup;
  if (order == Regroup::join_columns || order == Regroup::split_columns)
    return regroup_columns(l, order == Regroup::join_columns);
  const Bytes row_bytes = bytes_of(l.reads[0].dtype, h);
  auto* to = l.writes[0].as<std::byte>();
  for (const RowSegment& segment :
       regroup_segments(order, l.chunk_counts(), l.context.position(), l.context.ranks_per_node())) {
    std::memcpy(to, l.reads[0].as<std::byte>() + segment.from * row_bytes,
                static_cast<size_t>(segment.rows * row_bytes));
    to += segment.rows * row_bytes;
  }
}

/// `visit` gets the slots that an operand holds, and where each begins in it: all `slots`, or those of a window.
template <typename Visit>
void for_slots(const Launch& l, const Operand& operand, int64_t slots, const Visit& visit) {
  if (is_window(l.context.graph->tensors[static_cast<size_t>(operand.tensor)].rows)) {
    for (size_t row = 0; row < operand.slots.size(); ++row)
      visit(static_cast<size_t>(operand.slots[row]), static_cast<int64_t>(row) * operand.row_elements);
    return;
  }
  for (int64_t slot = 0; slot < slots; ++slot) visit(static_cast<size_t>(slot), slot * operand.elements() / slots);
}

/// [slots]; of slots that no operand holds none. first: the first read that holds such weights, which come in pairs of
/// up and down.
std::vector<Weight> slot_weights(const Launch& l, size_t first, int64_t slots, RoundedWeights& rounded) {
  std::vector<Weight> weights(static_cast<size_t>(slots));
  for (size_t read = first; read < l.reads.size(); read += 2) {
    const Operand& held = l.reads[read];
    const BFloat16* copy = l.task.dtype == DType::bf16 ? rounded.find(held, *l.context.graph) : nullptr;
    for_slots(l, held, slots, [&](size_t slot, int64_t begin) {
      weights[slot] = {held.f32() + begin, copy == nullptr ? nullptr : copy + begin};
    });
  }
  return weights;
}

/// [slots], as above.
std::vector<float*> slot_gradients(const Launch& l, const Operand& held, int64_t slots) {
  std::vector<float*> gradients(static_cast<size_t>(slots), nullptr);
  for_slots(l, held, slots, [&](size_t slot, int64_t begin) { gradients[slot] = held.f32() + begin; });
  return gradients;
}

ExpertsShape experts_shape(const Launch& l) { return {l.counts[0].slots_per_rank(), l.task.shape.k, l.task.shape.n}; }

template <typename Element>
void experts(const Launch& l, RoundedWeights& rounded) {
  const ExpertsShape shape = experts_shape(l);
  const std::vector<int64_t> rows = l.chunk_counts().slot_rows(l.context.position());
  experts_forward(l.reads[0].as<const Element>(), rows.data(), slot_weights(l, 2, shape.slots, rounded).data(),
                  slot_weights(l, 3, shape.slots, rounded).data(), l.writes[0].f32(), l.writes[1].as<Element>(),
                  l.writes[2].f32(), shape, precision_of(l.task));
}

template <typename Element>
void experts_data_gradient(const Launch& l, RoundedWeights& rounded) {
  const ExpertsShape shape = experts_shape(l);
  const std::vector<int64_t> rows = l.chunk_counts().slot_rows(l.context.position());
  experts_dgrad(l.reads[0].as<const Element>(), l.reads[2].f32(), rows.data(),
                slot_weights(l, 3, shape.slots, rounded).data(), slot_weights(l, 4, shape.slots, rounded).data(),
                l.writes[0].as<Element>(), l.writes[1].f32(), shape, precision_of(l.task));
}

/// One operand of all chunks in the order of a whole exchange, so that weight gradients sum in the same order whatever
/// the chunks.
template <typename Element>
std::vector<Element> gathered(const Launch& l, const std::vector<ChunkSegment>& order, size_t operand, int64_t width) {
  std::vector<Element> whole;
  for (const ChunkSegment& segment : order) {
    const Operand& of_chunk = l.reads[1 + 4 * static_cast<size_t>(segment.chunk) + operand];
    const Element* from = of_chunk.as<Element>() + segment.from * width;
    whole.insert(whole.end(), from, from + segment.rows * width);
  }
  return whole;
}

/// reads: counts, then per chunk {received, activated, d_out, d_hidden}.
template <typename Element>
void experts_weight_gradient(const Launch& l) {
  const ExpertsShape shape = experts_shape(l);
  std::vector<int64_t> rows(static_cast<size_t>(shape.slots), 0);
  for (const SlotCounts& chunk : l.counts) {
    const std::vector<int64_t> of_chunk = chunk.slot_rows(l.context.position());
    for (size_t slot = 0; slot < rows.size(); ++slot) rows[slot] += of_chunk[slot];
  }
  const std::vector<float*> d_up = slot_gradients(l, l.writes[0], shape.slots),
                            d_down = slot_gradients(l, l.writes[1], shape.slots);
  const Element *received = l.reads[1].as<Element>(), *activated = l.reads[2].as<Element>(),
                *d_out = l.reads[3].as<Element>(), *d_hidden = l.reads[4].as<Element>();
  std::vector<Element> whole[4];
  if (l.counts.size() > 1) {
    const std::vector<ChunkSegment> order = whole_order(l.counts, l.context.position());
    const int64_t widths[4] = {shape.h, shape.f, shape.h, shape.f};
    for (size_t i = 0; i < 4; ++i) whole[i] = gathered<Element>(l, order, i, widths[i]);
    received = whole[0].data(), activated = whole[1].data(), d_out = whole[2].data(), d_hidden = whole[3].data();
  }
  experts_wgrad(d_out, d_hidden, received, activated, rows.data(), d_up.data(), d_down.data(), shape,
                precision_of(l.task));
}

template <typename Element>
void permute(const Launch& l) {
  const TokenRange tokens = chunk_tokens(l, l.task.chunk, l.task.num_chunks);
  if (l.context.plan->dispatch.kind == DispatchKind::padded)
    std::memset(l.writes[0].data, 0, static_cast<size_t>(l.writes[0].bytes()));
  permute_forward(l.reads[0].f32() + tokens.first * l.task.shape.k, chunk_route(l, l.reads[1]).rows,
                  l.writes[0].as<Element>(), permute_shape(l));
}

void permute_gradient(const Launch& l) {
  const TokenRange tokens = chunk_tokens(l, l.task.chunk, l.task.num_chunks);
  permute_backward(l.reads[0].f32(), chunk_route(l, l.reads[1]).rows, l.writes[0].f32() + tokens.first * l.task.shape.k,
                   permute_shape(l));
}

/// Every slice of an expert counts with the weight of the choice.
std::vector<float> weights_of_rows(const Launch& l, const Route& route) {
  const int slices = l.context.graph->expert_slices;
  const PermuteShape shape = permute_shape(l);
  return for_slices(route.weights, shape.m * shape.k / slices, slices, [](float weight, int) { return weight; });
}

void unpermute(const Launch& l) {
  const int64_t offset = chunk_tokens(l, l.task.chunk, l.task.num_chunks).first * l.task.shape.k;
  const Route route = chunk_route(l, l.reads[1]);
  unpermute_forward(l.reads[0].f32(), route.rows, weights_of_rows(l, route).data(), l.reads[2].f32() + offset,
                    l.writes[0].f32() + offset, permute_shape(l));
}

template <typename Element>
void unpermute_gradient(const Launch& l) {
  const TokenRange tokens = chunk_tokens(l, l.task.chunk, l.task.num_chunks);
  const Route route = chunk_route(l, l.reads[2]);
  if (l.context.plan->dispatch.kind == DispatchKind::padded)
    std::memset(l.writes[0].data, 0, static_cast<size_t>(l.writes[0].bytes()));
  const int slices = l.context.graph->expert_slices;
  const PermuteShape shape = permute_shape(l);
  std::vector<float> d_weights(static_cast<size_t>(shape.m * shape.k));
  unpermute_backward(l.reads[0].f32() + tokens.first * shape.h, l.reads[1].f32(), route.rows,
                     weights_of_rows(l, route).data(), l.writes[0].as<Element>(), d_weights.data(), shape);
  float* d_choices = l.writes[1].f32() + tokens.first * shape.k / slices;
  std::fill_n(d_choices, d_weights.size() / static_cast<size_t>(slices), 0.0f);
  for (size_t i = 0; i < d_weights.size(); ++i) d_choices[i / static_cast<size_t>(slices)] += d_weights[i];
}

}  // namespace

void launch_moe(const Launch& l, RoundedWeights& rounded) {
  switch (l.task.op) {
    case Op::router:
      return router(l);
    case Op::router_backward:
      return router_gradient(l);
    case Op::permute:
      return is_bf16(l.writes[0]) ? permute<BFloat16>(l) : permute<float>(l);
    case Op::permute_backward:
      return permute_gradient(l);
    case Op::unpermute:
      return unpermute(l);
    case Op::unpermute_backward:
      return is_bf16(l.writes[0]) ? unpermute_gradient<BFloat16>(l) : unpermute_gradient<float>(l);
    case Op::regroup:
      return regroup(l);
    case Op::experts:
      return is_bf16(l.reads[0]) ? experts<BFloat16>(l, rounded) : experts<float>(l, rounded);
    case Op::experts_dgrad:
      return is_bf16(l.reads[0]) ? experts_data_gradient<BFloat16>(l, rounded)
                                 : experts_data_gradient<float>(l, rounded);
    case Op::experts_wgrad:
      return is_bf16(l.reads[1]) ? experts_weight_gradient<BFloat16>(l) : experts_weight_gradient<float>(l);
    default:
      break;
  }
  throw InvariantError(__FILE__, __LINE__, "op", std::string("no CPU operator for ") + name_of(l.task.op));
}

}  // namespace moesaic::executor::cpu
