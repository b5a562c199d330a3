#include "core/steps/passes.h"
#include "core/steps/steps.h"

namespace moesaic {

TaskGraph inference_step(const Plan& plan) {
  StepBuilder b(plan);
  declare_parameters(b);
  MicrobatchPasses(b, 0).forward(0, static_cast<int>(plan.model.num_layers));
  return std::move(b.graph());
}

}  // namespace moesaic
