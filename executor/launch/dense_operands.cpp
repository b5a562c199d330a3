#include "executor/launch/dense_operands.h"

#include "core/operators/optimizer.h"

namespace moesaic::executor {

std::vector<Update> updates_of(const Launch& l) {
  using operands::AdamW;
  std::vector<Update> updates;
  for (size_t i = 0; i < l.reads.size() / AdamW::kReads; ++i) {
    const auto written = [&](AdamW::Writes operand) -> const Operand& {
      return l.writes[AdamW::of_parameter(i, operand)];
    };
    const Operand& weight = written(AdamW::weight);
    updates.push_back({l.reads[AdamW::of_parameter(i, AdamW::gradient)], weight, written(AdamW::moments),
                       written(AdamW::cleared), l.context.update_ranges[weight.tensor]});
  }
  return updates;
}

}  // namespace moesaic::executor
