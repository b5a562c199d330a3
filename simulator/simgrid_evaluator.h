#pragma once
// The evaluator that the planner trusts most: every plan's step in SimGrid, on as many worker processes as it is given.
// It holds no SimGrid itself and must be made before any engine exists in the process.

#include <memory>

#include "core/evaluate/evaluator.h"

namespace moesaic::simulator {

class WorkerPool;

class SimgridEvaluator : public Evaluator {
 public:
  explicit SimgridEvaluator(int num_workers);
  ~SimgridEvaluator() override;

  /// A plan whose simulation died is infeasible with the reason; plans that cannot be simulated at all throw as
  /// simulate() does.
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override;

 private:
  std::unique_ptr<WorkerPool> pool_;
};

}  // namespace moesaic::simulator
