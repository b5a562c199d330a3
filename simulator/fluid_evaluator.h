#pragma once
// The evaluator of the whole step that needs no process: the interpreter of the SimGrid evaluator on our own fluid
// model. It may be made and asked anywhere, as often as wanted.

#include "core/evaluate/evaluator.h"

namespace moesaic::simulator {

class FluidEvaluator : public Evaluator {
 public:
  /// Throws as simulate() does for plans that cannot be simulated.
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override;
};

}  // namespace moesaic::simulator
