#pragma once
// Simulations that end on Ctrl-C: the SimGrid workers are killed instead of waited for. It prices nothing itself.

#include <memory>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "simulator/simulation.h"
#include "simulator/worker_pool.h"

namespace moesaic::cli {

/// The SimGrid evaluator of `moesaic plan`. What was not priced when the interrupt came is infeasible with that reason.
class InterruptibleEvaluator : public Evaluator {
 public:
  /// Forks the workers: must be made before any SimGrid engine or thread exists in the process.
  explicit InterruptibleEvaluator(int num_workers);

  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override;

 private:
  std::vector<std::unique_ptr<simulator::WorkerPool>> pools_;  // of one worker each, one per thread of evaluate()
};

/// simulator::simulate() that ends on Ctrl-C with DeviceError.
simulator::SimulationResult simulate_interruptibly(const Plan& plan, const simulator::SimulationOptions& options);

}  // namespace moesaic::cli
