#include "planner/problem/problem.h"

namespace moesaic::planner {

std::string describe_layout(const Plan& plan) {
  const Tier home = plan.expert_storage.home;
  std::string text = describe(plan.layout);
  if (home == Tier::device) return text;
  text += home == Tier::host ? ", experts in host memory" : ", experts on storage";
  if (home == Tier::storage && plan.expert_storage.cache_entries == 0) text += ", none cached";
  return text + (plan.prefetch.experts == 0 ? ", none ahead" : "");
}

}  // namespace moesaic::planner
