#include "executor/launch/own_rows.h"

#include "core/operators/router.h"
#include "executor/launch/chunk_route.h"

namespace moesaic::executor {

std::vector<OwnRows> own_rows(const SlotCounts& counts, int position) {
  const int slots = counts.slots_per_rank(), first_slot = position * slots;
  std::vector<OwnRows> own(static_cast<size_t>(counts.num_sources()) * static_cast<size_t>(slots));
  const auto at = [&](int source, int slot) -> OwnRows& {
    return own[static_cast<size_t>(source) * static_cast<size_t>(slots) + static_cast<size_t>(slot)];
  };
  for (int source = 0; source < counts.num_sources(); ++source) {
    int64_t first = 0;
    for (int slot = 0; slot < first_slot; ++slot) first += counts.at(source, slot);
    for (int slot = 0; slot < slots; ++slot) {
      const int64_t rows = counts.at(source, first_slot + slot);
      at(source, slot) = {first, rows, 0};
      first += rows;
    }
  }
  int64_t to = 0;
  for (int slot = 0; slot < slots; ++slot)
    for (int source = 0; source < counts.num_sources(); ++source) {
      at(source, slot).to = to;
      to += at(source, slot).rows;
    }
  return own;
}

OwnChoices::OwnChoices(const Launch& l)
    : from(route_at(l, l.reads[operands::OwnChoices::route], 0)),
      to(route_at(l, l.writes[operands::OwnChoices::own], 0)),
      source_choices(l.context.graph->tokens_per_rank * l.context.plan->model.top_k),
      slices(l.context.graph->expert_slices),
      num_sources(l.chunk_counts().num_sources()),
      slots(l.chunk_counts().slots_per_rank()),
      own(own_rows(l.chunk_counts(), l.context.position())) {}

}  // namespace moesaic::executor
