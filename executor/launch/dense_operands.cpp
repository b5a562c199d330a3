#include "executor/launch/dense_operands.h"

#include "core/operators/optimizer.h"

namespace moesaic::executor {

AttentionShape attention_shape(const Launch& l) {
  const OpShape& s = l.task.shape;
  return {l.task.fixed_rows / s.sequence,  s.sequence, s.heads, s.kv_heads, s.head_dim,
          l.context.plan->model.rope_theta};
}

HeadNormShape head_norm_shape(const Launch& l) {
  const OpShape& s = l.task.shape;
  return {l.task.fixed_rows, s.heads, s.kv_heads, s.head_dim, s.whole};
}

RankSums rank_sums(const Launch& l, size_t operand) {
  const Operand* sums = optional_read(l, operand);
  return sums == nullptr ? RankSums{} : RankSums{sums->f32(), sums->rows / l.task.fixed_rows};
}

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
