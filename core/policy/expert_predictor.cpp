#include "core/policy/expert_predictor.h"

namespace moesaic {

std::vector<int64_t> predict_active_experts(std::span<const int64_t> rows) {
  std::vector<int64_t> active;
  for (size_t expert = 0; expert < rows.size(); ++expert)
    if (rows[expert] > 0) active.push_back(static_cast<int64_t>(expert));
  return active;
}

}  // namespace moesaic
