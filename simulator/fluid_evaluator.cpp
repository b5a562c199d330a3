#include "simulator/fluid_evaluator.h"

#include "simulator/simulation.h"

namespace moesaic::simulator {

std::vector<Evaluation> FluidEvaluator::evaluate(std::span<const Plan> plans) {
  std::vector<Evaluation> evaluations;
  for (const Plan& plan : plans)
    evaluations.push_back(simulate_in_this_process(plan, {false, 0, EngineKind::fluid}).evaluation);
  return evaluations;
}

}  // namespace moesaic::simulator
