#include "cli/interruptible_evaluator.h"

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "cli/session.h"
#include "core/schema/error.h"

namespace moesaic::cli {
namespace {

using simulator::SimulationOptions;
using simulator::SimulationOutcome;
using simulator::WorkerPool;

/// One thread and the worker process that simulates for it.
struct Lane {
  std::unique_ptr<WorkerPool>* pool = nullptr;
  std::atomic<pid_t> worker{0};  // 0 while none is at work
  std::thread thread;
};

using Stop = std::function<bool()>;

/// Takes plans until none is left or it is told to stop. A worker that died earlier is replaced first, so that
/// the one at work is always the one that `worker` names.
void serve(Lane& lane, std::span<const Plan> plans, const SimulationOptions& options, const Stop& stop,
           std::atomic<size_t>& next, std::vector<SimulationOutcome>& outcomes) {
  for (size_t i; !stop() && (i = next++) < plans.size();) {
    try {
      if ((*lane.pool)->pids().front() <= 0) *lane.pool = std::make_unique<WorkerPool>(1);
      lane.worker = (*lane.pool)->pids().front();
      outcomes[i] = std::move((*lane.pool)->run(plans.subspan(i, 1), options).front());
    } catch (...) {
      outcomes[i].error = std::current_exception();
    }
    lane.worker = 0;
  }
}

/// One outcome per plan, in order; DeviceError for those that a stop left without one.
std::vector<SimulationOutcome> run(std::vector<std::unique_ptr<WorkerPool>>& pools, std::span<const Plan> plans,
                                   const SimulationOptions& options, const Stop& stop) {
  std::vector<SimulationOutcome> outcomes(plans.size());
  for (SimulationOutcome& outcome : outcomes)
    outcome.error = std::make_exception_ptr(DeviceError("not simulated: the search was ended"));
  std::atomic<size_t> next{0};
  size_t at_work = pools.size();
  std::mutex mutex;
  std::condition_variable ended;
  std::vector<Lane> lanes(pools.size());
  for (size_t i = 0; i < lanes.size(); ++i) {
    lanes[i].pool = &pools[i];
    lanes[i].thread = std::thread([&, i] {
      serve(lanes[i], plans, options, stop, next, outcomes);
      const std::lock_guard lock(mutex);
      if (--at_work == 0) ended.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  while (!ended.wait_for(lock, std::chrono::milliseconds(50), [&] { return at_work == 0; }))
    if (stop())
      for (const Lane& lane : lanes)
        if (const pid_t worker = lane.worker; worker > 0) kill(worker, SIGKILL);
  lock.unlock();
  for (Lane& lane : lanes) lane.thread.join();
  return outcomes;
}

}  // namespace

InterruptibleEvaluator::InterruptibleEvaluator(int num_workers, std::function<bool()> stop) : stop_(std::move(stop)) {
  for (int i = 0; i < num_workers; ++i) pools_.push_back(std::make_unique<WorkerPool>(1));
}

std::vector<Evaluation> InterruptibleEvaluator::evaluate(std::span<const Plan> plans) {
  std::vector<Evaluation> evaluations;
  for (SimulationOutcome& outcome : run(pools_, plans, {}, stop_)) {
    const bool unanswered = outcome.error != nullptr;
    evaluations.push_back(simulator::evaluation_of(std::move(outcome)));
    evaluations.back().priced = !unanswered || !stop_();
  }
  return evaluations;
}

simulator::SimulationResult simulate_interruptibly(const Plan& plan, const SimulationOptions& options) {
  std::vector<std::unique_ptr<WorkerPool>> pools;
  pools.push_back(std::make_unique<WorkerPool>(1));
  SimulationOutcome outcome = std::move(run(pools, {&plan, 1}, options, interrupted).front());
  if (interrupted()) throw DeviceError("interrupted; nothing has been written");
  if (outcome.error) std::rethrow_exception(outcome.error);
  return std::move(outcome.result);
}

}  // namespace moesaic::cli
