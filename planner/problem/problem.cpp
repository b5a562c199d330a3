#include "planner/problem/problem.h"

namespace moesaic::planner {

std::string describe_layout(const Layout& layout) {
  return std::to_string(layout.ranks) + (layout.ranks == 1 ? " rank" : " ranks") + ", ep " + std::to_string(layout.ep) +
         ", " + std::to_string(layout.micro_batches) + (layout.micro_batches == 1 ? " microbatch" : " microbatches") +
         (layout.zero == 0 ? "" : ", ZeRO-" + std::to_string(layout.zero)) +
         (layout.pp > 1 ? ", " + std::to_string(layout.pp) + " stages" : "") +
         (layout.tp > 1 ? ", tp " + std::to_string(layout.tp) : "") +
         (layout.expert_slices > 1 ? ", " + std::to_string(layout.expert_slices) + " slices per expert" : "");
}

std::string describe_layout(const Plan& plan) {
  const Tier home = plan.expert_storage.home;
  std::string text = describe_layout(plan.layout) + (plan.layout.recompute == Recompute::none ? "" : ", recompute");
  if (home == Tier::device) return text;
  text += home == Tier::host ? ", experts in host memory" : ", experts on storage";
  if (home == Tier::storage && plan.expert_storage.cache_entries == 0) text += ", none cached";
  return text + (plan.prefetch.experts == 0 ? ", none ahead" : "");
}

std::string describe_bucket(Bytes bytes) {
  return bytes == 0 ? "one collective per gradient" : "buckets of " + format_bytes(static_cast<double>(bytes));
}

}  // namespace moesaic::planner
