#include "executor/launch/dense_operands.h"

#include "core/operators/optimizer.h"

namespace moesaic::executor {

std::vector<Update> updates_of(const Launch& l) {
  using operands::AdamW;
  std::vector<Update> updates;
  for (size_t i = 0; i < l.reads.size() / AdamW::kReads; ++i) {
    const auto reads = l.reads.subspan(i * AdamW::kReads, AdamW::kReads);
    const auto writes = l.writes.subspan(i * AdamW::kWrites, AdamW::kWrites);
    const Operand& weight = writes[AdamW::weight];
    updates.push_back({reads[AdamW::gradient], weight, writes[AdamW::moments], writes[AdamW::cleared],
                       l.context.update_ranges[static_cast<size_t>(weight.tensor)]});
  }
  return updates;
}

}  // namespace moesaic::executor
