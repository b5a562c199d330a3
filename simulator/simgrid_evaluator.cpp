#include "simulator/simgrid_evaluator.h"

#include "core/schema/error.h"
#include "simulator/worker_pool.h"

namespace moesaic::simulator {

SimgridEvaluator::SimgridEvaluator(int num_workers) : pool_(std::make_unique<WorkerPool>(num_workers)) {}

SimgridEvaluator::~SimgridEvaluator() = default;

std::vector<Evaluation> SimgridEvaluator::evaluate(std::span<const Plan> plans) {
  std::vector<Evaluation> evaluations;
  for (SimulationOutcome& outcome : pool_->run(plans, {})) {
    try {
      if (outcome.error) std::rethrow_exception(outcome.error);
      evaluations.push_back(std::move(outcome.result.evaluation));
    } catch (const DeviceError& error) {
      evaluations.emplace_back();
      evaluations.back().feasible = false;
      evaluations.back().reason = error.what();
    }
  }
  return evaluations;
}

}  // namespace moesaic::simulator
