#include "simulator/simulation.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <span>

#include "core/graph/memory.h"
#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "core/timeline/breakdown.h"
#include "core/timeline/critical_path.h"
#include "simulator/step_simulation.h"
#include "simulator/step_tables.h"
#include "simulator/worker_pool.h"

namespace moesaic::simulator {
namespace {

/// Of the representatives of classes; the others have the same times.
Timeline timeline_of(const TaskGraph& graph, const RankClasses& classes, StepSimulation& simulation) {
  Timeline timeline;
  timeline.num_ranks = graph.num_ranks;
  timeline.num_stages = graph.num_stages;
  timeline.rows = task_rows(graph);
  timeline.times = simulation.take_times();
  timeline.step_seconds = span_of(timeline);
  for (int rank = 0; rank < graph.num_ranks; ++rank)
    timeline.same_as.push_back(classes.representative(classes.class_of(rank)));
  return timeline;
}

void fill_times(const Timeline& timeline, const TaskGraph& graph, const Plan& plan, Prediction& prediction) {
  prediction.step_seconds = timeline.step_seconds;
  const auto tokens = static_cast<double>(plan.workload.tokens_per_step());
  prediction.tokens_per_second = timeline.step_seconds > 0 ? tokens / timeline.step_seconds : 0;
  for (const PhaseTime& phase : step_breakdown(timeline)) {
    prediction.exposed_communication_seconds += phase.exposed_communication;
    prediction.bubble_seconds += phase.bubble;
    prediction.exposed_transfer_seconds += phase.exposed_transfer;
  }
  prediction.critical_path_seconds = critical_path(timeline, graph);
}

/// Of every rank: what each has at first, then what changes, in the order of time; what happens to a rank at one time
/// stays together.
std::vector<MemorySample> expanded(const RankClasses& classes, std::span<const MemorySample> samples, int num_ranks) {
  const auto num_classes = static_cast<size_t>(classes.num_classes());
  std::vector<MemorySample> all;
  for (int rank = 0; rank < num_ranks; ++rank)
    all.push_back({rank, 0, samples[static_cast<size_t>(classes.class_of(rank))].bytes});
  for (size_t first = num_classes, behind = first; first < samples.size(); first = behind) {
    const auto alike = [&](const MemorySample& a) {
      return a.rank == samples[first].rank && a.time == samples[first].time;
    };
    while (behind < samples.size() && alike(samples[behind])) ++behind;
    for (const int rank : classes.members(classes.class_of(samples[first].rank)))
      for (const MemorySample& sample : samples.subspan(first, behind - first))
        all.push_back({rank, sample.time, sample.bytes});
  }
  return all;
}

/// The same with entries for every rank, by rank and in program order.
void expand(const RankClasses& classes, std::span<const size_t> first_time, Timeline& timeline) {
  std::vector<TaskTime> times;
  for (int rank = 0; rank < timeline.num_ranks; ++rank) {
    const auto of_class = static_cast<size_t>(classes.class_of(rank));
    for (size_t i = first_time[of_class]; i < first_time[of_class + 1]; ++i) {
      times.push_back(timeline.times[i]);
      times.back().rank = rank;
    }
  }
  timeline.times = std::move(times);
  timeline.same_as.clear();
}

/// Out of memory is a result: who needs how much when, the culprit, and what would lift it.
void judge_memory(const TaskGraph& graph, const Cluster& cluster, std::span<const TaskTime> times_at_peak,
                  RowTable& rows, MemoryTracker& memory, Evaluation& evaluation) {
  const DevicePeak& peak = memory.peak();
  evaluation.prediction.peak_bytes["device"] = peak.bytes;
  if (peak.bytes <= cluster.device.usable_memory_bytes()) return;
  const TensorId largest = memory.largest_at_peak(times_at_peak);
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

/// The interpreter keeps about 60 bytes per task of every class of ranks, 4e7 of them are 2.4 GB, and minutes; a
/// timeline has 24 per task of every rank.
void check_size(const TaskGraph& graph, const Plan& plan, int64_t tasks) {
  constexpr int64_t kMostTasks = 40'000'000;
  if (tasks <= kMostTasks) return;
  throw InputError(plan.name, "/layout/ranks",
                   std::to_string(graph.num_ranks) + " ranks have " + std::to_string(tasks) + " tasks to simulate",
                   "at most " + std::to_string(kMostTasks) + " tasks over all ranks that differ",
                   "simulate fewer ranks, chunks or microbatches");
}

/// SimGrid's time goes with its activities, and more than so. Up to a million tasks they are one by one, which keeps
/// the last bits of results that were published.
Fusion fusion_of(EngineKind engine, int64_t tasks) {
  constexpr int64_t kManyTasks = 1'000'000;
  return engine == EngineKind::fluid || tasks > kManyTasks ? Fusion::all : Fusion::none;
}

}  // namespace

SimulationResult simulate_in_this_process(const TaskGraph& graph, const Plan& plan, const SimulationOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const int64_t tasks = tasks_of_ranks(graph);
  if (options.timeline || options.every_rank) check_size(graph, plan, tasks);
  StepTables step(graph, plan, options.step, options.every_rank);
  check_size(graph, plan, step.tasks_of_classes());
  MemoryTracker memory(graph, step.rows, step.programs, step.classes, options.timeline);
  StepSimulation simulation(make_engine(options.engine), step.parts(memory),
                            fusion_of(options.engine, step.tasks_of_classes()));
  simulation.run();

  SimulationResult result;
  Evaluation& evaluation = result.evaluation;
  evaluation.activities = simulation.activities();
  evaluation.price_basis = step.prices.basis();
  judge_memory(graph, plan.cluster, simulation.times(step.classes.class_of(memory.peak().rank)), step.rows, memory,
               evaluation);
  judge_tier(graph, plan.cluster, Tier::host, "host", plan.cluster.host_memory_bytes, evaluation);
  judge_tier(graph, plan.cluster, Tier::storage, "storage", plan.cluster.storage_bytes, evaluation);
  evaluation.prediction.tasks = tasks;
  const std::vector<size_t> first_time(simulation.first_times().begin(), simulation.first_times().end());
  Timeline timeline = timeline_of(graph, step.classes, simulation);
  fill_times(timeline, graph, plan, evaluation.prediction);
  if (options.timeline) {
    expand(step.classes, first_time, timeline);
    timeline.memory = expanded(step.classes, memory.samples(), graph.num_ranks);
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
