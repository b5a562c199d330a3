#include "simulator/simgrid_evaluator.h"

#include "simulator/worker_pool.h"

namespace moesaic::simulator {

SimgridEvaluator::SimgridEvaluator(int num_workers) : pool_(std::make_unique<WorkerPool>(num_workers)) {}

SimgridEvaluator::~SimgridEvaluator() = default;

std::vector<Evaluation> SimgridEvaluator::evaluate(std::span<const Plan> plans) {
  std::vector<Evaluation> evaluations;
  for (SimulationOutcome& outcome : pool_->run(plans, {})) evaluations.push_back(evaluation_of(std::move(outcome)));
  return evaluations;
}

}  // namespace moesaic::simulator
