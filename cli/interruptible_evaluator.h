#pragma once
// Simulations that end on Ctrl-C or when time is up: the SimGrid workers are killed instead of waited for. It prices
// nothing itself.

#include <functional>
#include <memory>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "simulator/simulation.h"
#include "simulator/worker_pool.h"

namespace moesaic::cli {

/// The SimGrid evaluator of `moesaic plan`. Where `stop` said so before a plan was priced, its evaluation says so.
class InterruptibleEvaluator : public Evaluator {
 public:
  /// Forks the workers: must be made before any SimGrid engine or thread exists in the process.
  InterruptibleEvaluator(int num_workers, std::function<bool()> stop);

  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override;

 private:
  std::function<bool()> stop_;
  std::vector<std::unique_ptr<simulator::WorkerPool>> pools_;  // of one worker each, one per thread of evaluate()
};

/// simulator::simulate() that ends on Ctrl-C with DeviceError.
simulator::SimulationResult simulate_interruptibly(const Plan& plan, const simulator::SimulationOptions& options);

}  // namespace moesaic::cli
