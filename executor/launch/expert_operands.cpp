#include "executor/launch/expert_operands.h"

namespace moesaic::executor {
namespace {

std::vector<int64_t> rows_of_chunk(const Launch& l) { return l.chunk_counts().slot_rows(l.context.position()); }

std::vector<int64_t> rows_of_all_chunks(const Launch& l, int64_t slots) {
  std::vector<int64_t> rows(static_cast<size_t>(slots), 0);
  for (const SlotCounts& chunk : l.counts) {
    const std::vector<int64_t> of_chunk = chunk.slot_rows(l.context.position());
    for (size_t slot = 0; slot < rows.size(); ++slot) rows[slot] += of_chunk[slot];
  }
  return rows;
}

/// Adds what an operand holds: all slots, or those of a window.
void add_parts(const Launch& l, const Operand& held, SlotParts& parts) {
  if (is_window(l.context.graph->tensors[held.tensor].rows)) {
    for (size_t row = 0; row < held.slots.size(); ++row)
      parts[static_cast<size_t>(held.slots[row])] = {&held, static_cast<int64_t>(row) * held.row_elements,
                                                     held.row_elements};
    return;
  }
  const auto slots = static_cast<int64_t>(parts.size());
  for (int64_t slot = 0; slot < slots; ++slot)
    parts[static_cast<size_t>(slot)] = {&held, slot * held.elements() / slots, held.elements() / slots};
}

/// Of all windows. Names: operands::Experts or ExpertsDgrad.
template <typename Names>
SlotParts weights_of(const Launch& l, typename Names::OfWindow weight, int64_t slots) {
  SlotParts parts(static_cast<size_t>(slots));
  for (size_t window = 0; Names::of_window(window, weight) < l.reads.size(); ++window)
    add_parts(l, l.reads[Names::of_window(window, weight)], parts);
  return parts;
}

SlotParts gradients_in(const Launch& l, const Operand& held, int64_t slots) {
  SlotParts parts(static_cast<size_t>(slots));
  add_parts(l, held, parts);
  return parts;
}

}  // namespace

ExpertSizes::ExpertSizes(const Launch& l)
    : slots(l.counts[0].slots_per_rank()), h(l.task.shape.k), f(l.task.shape.n), gated(l.task.shape.gated) {}

ExpertsForward::ExpertsForward(const Launch& l)
    : sizes(l),
      rows(rows_of_chunk(l)),
      x(l.reads[operands::Experts::x]),
      up(weights_of<operands::Experts>(l, operands::Experts::up, sizes.slots)),
      down(weights_of<operands::Experts>(l, operands::Experts::down, sizes.slots)),
      u(l.writes[operands::Experts::u]),
      a(l.writes[operands::Experts::a]),
      y(l.writes[operands::Experts::y]) {}

ExpertsDgrad::ExpertsDgrad(const Launch& l)
    : sizes(l),
      rows(rows_of_chunk(l)),
      dy(l.reads[operands::ExpertsDgrad::dy]),
      u(l.reads[operands::ExpertsDgrad::u]),
      up(weights_of<operands::ExpertsDgrad>(l, operands::ExpertsDgrad::up, sizes.slots)),
      down(weights_of<operands::ExpertsDgrad>(l, operands::ExpertsDgrad::down, sizes.slots)),
      du(l.writes[operands::ExpertsDgrad::du]),
      dx(l.writes[operands::ExpertsDgrad::dx]) {}

ExpertsWgrad::ExpertsWgrad(const Launch& l)
    : launch(l),
      sizes(l),
      rows(rows_of_all_chunks(l, sizes.slots)),
      d_up(gradients_in(l, l.writes[operands::ExpertsWgrad::d_up], sizes.slots)),
      d_down(gradients_in(l, l.writes[operands::ExpertsWgrad::d_down], sizes.slots)) {
  if (l.counts.size() > 1) order = whole_order(l.counts, l.context.position());
}

const Operand& ExpertsWgrad::of_chunk(int chunk, Part part) const {
  return launch.reads[operands::ExpertsWgrad::of_chunk(static_cast<size_t>(chunk), part)];
}

int64_t ExpertsWgrad::width(Part part) const {
  if (part == Part::x || part == Part::dy) return sizes.h;
  return part == Part::du && sizes.gated ? 2 * sizes.f : sizes.f;
}

ReplicaGradients::ReplicaGradients(const Launch& l, const Operand& d_up, const Operand& d_down) {
  const TaskGraph& graph = *l.context.graph;
  const ExpertPlacement& placement = graph.placement[l.task.moe_layer];
  const std::vector<int> round_of_slot = replica_rounds(placement);
  const auto first = static_cast<size_t>(l.context.position() * placement.slots_per_rank);
  const SlotParts up = gradients_in(l, d_up, placement.slots_per_rank),
                  down = gradients_in(l, d_down, placement.slots_per_rank);
  for (size_t slot = 0; slot < up.size(); ++slot)
    if (const int round = round_of_slot[first + slot]; round >= 0 && up[slot].held != nullptr)
      slots.push_back({static_cast<size_t>(round), up[slot], down[slot]});
  keeps_sum = graph.position(graph.find_communicator("expert_dp"), l.context.rank) == 0;
}

}  // namespace moesaic::executor
