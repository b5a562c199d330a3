#include "simulator/simulation.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/graph/memory.h"
#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "core/timeline/critical_path.h"
#include "simulator/step_simulation.h"
#include "simulator/worker_pool.h"

namespace moesaic::simulator {
namespace {

Timeline timeline_of(const TaskGraph& graph, const StepSimulation& simulation) {
  Timeline timeline;
  timeline.num_ranks = graph.num_ranks;
  timeline.num_stages = graph.num_stages;
  timeline.rows = task_rows(graph);
  timeline.times.reserve(simulation.starts().size());
  for (size_t i = 0; i < simulation.starts().size(); ++i) {
    if (simulation.starts()[i] < 0) continue;  // of another pipeline stage
    const auto rank = static_cast<int>(i / graph.tasks.size());
    timeline.times.push_back({rank, TaskIndex(i % graph.tasks.size()), simulation.starts()[i], simulation.ends()[i]});
    timeline.step_seconds = std::max(timeline.step_seconds, simulation.ends()[i]);
  }
  return timeline;
}

std::vector<Seconds> of_rank(const std::vector<Seconds>& all, int rank, size_t num_tasks) {
  const auto first = all.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(rank) * num_tasks);
  return {first, first + static_cast<ptrdiff_t>(num_tasks)};
}

/// Out of memory is a result: who needs how much when, the culprit, and what would lift it.
void judge_memory(const TaskGraph& graph, const Cluster& cluster, const StepSimulation& simulation, RowTable& rows,
                  MemoryTracker& memory, Evaluation& evaluation) {
  const DevicePeak& peak = memory.peak();
  evaluation.prediction.peak_bytes["device"] = peak.bytes;
  if (peak.bytes <= cluster.device.usable_memory_bytes()) return;
  const size_t tasks = graph.tasks.size();
  const TensorId largest = memory.largest_at_peak(of_rank(simulation.starts(), peak.rank, tasks),
                                                  of_rank(simulation.ends(), peak.rank, tasks));
  evaluation.feasible = false;
  evaluation.reason = "out of device memory: rank " + std::to_string(peak.rank) + " needs " +
                      format_bytes(static_cast<double>(peak.bytes)) + " at " + format_seconds(peak.time) +
                      ", its device has " + usable_memory_text(cluster.device);
  if (largest >= 0)
    evaluation.reason += "; the largest tensor then is '" + graph.tensors[largest].name + "' with " +
                         format_bytes(static_cast<double>(rows.bytes(largest, peak.rank)));
  evaluation.reason += "; a device with that much memory would lift it, or a plan that needs less";
}

/// Host memory and storage hold the same bytes all the time; the ranks of a node share them.
void judge_tier(const TaskGraph& graph, const Cluster& cluster, Tier tier, const char* name, Bytes capacity,
                Evaluation& evaluation) {
  const Bytes bytes = resident_bytes(graph, tier);  // expert states on lower tiers know no pipeline
  if (bytes == 0) return;
  evaluation.prediction.peak_bytes[name] = bytes;
  const Bytes of_node = bytes * std::min(cluster.devices_per_node, graph.num_ranks);
  if (of_node <= capacity || capacity == 0 || !evaluation.feasible) return;
  evaluation.feasible = false;
  evaluation.reason = "out of " + std::string(name) + " memory: the expert states of a node need " +
                      format_bytes(static_cast<double>(of_node)) + ", it has " +
                      format_bytes(static_cast<double>(capacity)) + "; that much in each node would lift it";
}

/// The interpreter keeps about 100 bytes per task of every rank; 4e7 of them are 4 GB, and minutes.
void check_size(const TaskGraph& graph, const Plan& plan) {
  constexpr int64_t kMostTasks = 40'000'000;
  const int64_t tasks = int64_t{graph.num_ranks} * static_cast<int64_t>(graph.tasks.size());
  if (tasks <= kMostTasks) return;
  throw InputError(plan.name, "/layout/ranks",
                   std::to_string(graph.num_ranks) + " ranks of " + std::to_string(graph.tasks.size()) + " tasks are " +
                       std::to_string(tasks),
                   "at most " + std::to_string(kMostTasks) + " tasks over all ranks",
                   "simulate fewer ranks, chunks or microbatches");
}

}  // namespace

SimulationResult simulate_in_this_process(const TaskGraph& graph, const Plan& plan, const SimulationOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  check_size(graph, plan);
  const Platform platform(plan.cluster, graph.num_ranks);
  RowTable rows(graph, plan, options.step);
  TaskPrices prices(graph, plan, platform, rows);
  MemoryTracker memory(graph, rows, options.timeline);
  std::optional<ExpertTraffic> experts;
  if (plan.expert_storage.home != Tier::device && !graph.placement.empty()) experts.emplace(graph, plan, options.step);
  StepSimulation simulation(make_engine(options.engine), graph, platform, prices, rows, memory,
                            experts ? &*experts : nullptr);
  simulation.run();

  SimulationResult result;
  Timeline timeline = timeline_of(graph, simulation);
  Evaluation& evaluation = result.evaluation;
  Prediction& prediction = evaluation.prediction;
  prediction.step_seconds = timeline.step_seconds;
  const auto tokens = static_cast<double>(plan.workload.tokens_per_step());
  prediction.tokens_per_second = timeline.step_seconds > 0 ? tokens / timeline.step_seconds : 0;
  prediction.exposed_communication_seconds = exposed_communication(timeline);
  prediction.bubble_seconds = pipeline_bubble(timeline);
  prediction.exposed_transfer_seconds = exposed_transfer(timeline);
  prediction.critical_path_seconds = critical_path(timeline, graph);
  prediction.tasks = static_cast<int64_t>(timeline.times.size());
  evaluation.activities = simulation.activities();
  evaluation.price_basis = prices.basis();
  judge_memory(graph, plan.cluster, simulation, rows, memory, evaluation);
  judge_tier(graph, plan.cluster, Tier::host, "host", plan.cluster.host_memory_bytes, evaluation);
  judge_tier(graph, plan.cluster, Tier::storage, "storage", plan.cluster.storage_bytes, evaluation);
  if (options.timeline) {
    timeline.memory = memory.samples();
    timeline.plan_hash = document_hash(write_plan(plan));
    result.timeline = std::move(timeline);
  }
  evaluation.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

SimulationResult simulate_in_this_process(const Plan& plan, const SimulationOptions& options) {
  return simulate_in_this_process(lower(plan), plan, options);
}

SimulationResult simulate(const Plan& plan, const SimulationOptions& options) {
  if (options.engine == EngineKind::fluid) return simulate_in_this_process(plan, options);
  WorkerPool pool(1);
  SimulationOutcome outcome = std::move(pool.run({&plan, 1}, options).front());
  if (outcome.error) std::rethrow_exception(outcome.error);
  return std::move(outcome.result);
}

}  // namespace moesaic::simulator
