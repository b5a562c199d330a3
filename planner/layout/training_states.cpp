#include "planner/layout/training_states.h"

namespace moesaic::planner {
namespace {

constexpr Bytes kFusedBytes = 500'000'000;  // about the dense weights of one large layer: one all-gather per layer

}  // namespace

void divide_states(Plan& plan, int zero) {
  plan.layout.zero = zero;
  plan.fused_parameter_bytes = zero == 3 ? kFusedBytes : 0;
  plan.prefetch.dense = zero == 3 ? 1 : 0;
}

}  // namespace moesaic::planner
