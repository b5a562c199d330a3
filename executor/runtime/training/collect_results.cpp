#include "executor/runtime/training/collect_results.h"

#include <algorithm>
#include <numeric>

#include "executor/runtime/training/collect_choices.h"

namespace moesaic::executor {
namespace {

/// Of the slowest rank, [steps].
std::vector<Seconds> step_seconds(const std::vector<TrainedStep>& steps, Gather& gather) {
  std::vector<Seconds> own;
  for (const TrainedStep& step : steps) own.push_back(step.record.seconds);
  const std::vector<Seconds> all = gather(own);
  std::vector<Seconds> slowest(own.size(), 0);
  for (size_t i = 0; i < all.size(); ++i) slowest[i % own.size()] = std::max(slowest[i % own.size()], all[i]);
  return slowest;
}

MemoryUse memory_of_job(const MemoryUse& own, Gather& gather) {
  MemoryUse job;
  for (const MemoryUse& of_rank : gather(std::vector<MemoryUse>{own})) {
    job.device_bytes = std::max(job.device_bytes, of_rank.device_bytes);
    job.host_bytes = std::max(job.host_bytes, of_rank.host_bytes);
    job.storage_bytes = std::max(job.storage_bytes, of_rank.storage_bytes);
    job.expert_bytes += of_rank.expert_bytes;
  }
  return job;
}

size_t median_step(const std::vector<Seconds>& seconds) {
  const size_t first = seconds.size() > 1 ? 1 : 0;  // the first step creates the kernels
  std::vector<size_t> order(seconds.size() - first);
  std::iota(order.begin(), order.end(), first);
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(order.size() / 2), order.end(),
                   [&](size_t a, size_t b) { return seconds[a] < seconds[b]; });
  return order[order.size() / 2];
}

/// Entries per own task -> entries per task of the program, of all ranks; other stages run the others.
template <typename T>
std::vector<T> in_program(const RankProgram& program, const std::vector<T>& own, Gather& gather) {
  std::vector<T> entries(program.rows.size());
  for (T& entry : entries) entry.rank = -1;
  for (size_t i = 0; i < own.size(); ++i) {
    T& entry = entries[static_cast<size_t>(program.origin[i])] = own[i];
    if constexpr (requires { entry.task; }) entry.task = program.origin[i];
  }
  std::vector<T> all = gather(entries);
  std::erase_if(all, [](const T& entry) { return entry.rank < 0; });
  return all;
}

Timeline timeline_of(const StepRecord& record, const RankProgram& program, Gather& gather) {
  Timeline timeline;
  timeline.measured = true;
  timeline.rows = program.rows;
  timeline.times = in_program(program, record.times, gather);
  timeline.memory = in_program(program, record.memory, gather);
  return timeline;
}

LongRun long_run_of(const RankProgram& program, int rank, const StepHistory& history, Gather& gather) {
  std::vector<TaskStatistics> own;
  for (const DurationStatistics& task : history.tasks())
    own.push_back({task.count() > 0 ? rank : -1, 0, task.figures()});
  LongRun run;
  run.steps = gather(std::vector<StepStatistics>{{rank, history.steps().figures()}});
  run.tasks = in_program(program, own, gather);
  return run;
}

RoutingDocument routing_of(const Plan& plan, size_t layers, const std::vector<TrainedStep>& steps, Gather& gather) {
  std::vector<int64_t> own;  // [steps * micro_batches * layers, num_experts]
  int64_t recorded = 0;
  for (const TrainedStep& step : steps) {
    if (step.record.captured) continue;  // the rows stayed on the device
    own.insert(own.end(), step.record.expert_rows.begin(), step.record.expert_rows.end());
    ++recorded;
  }
  const std::vector<int64_t> all = gather(own);
  RoutingDocument routing;
  routing.name = "recorded";
  routing.num_iterations = recorded * plan.layout.micro_batches;
  routing.num_moe_layers = static_cast<int64_t>(layers);
  routing.num_sources = plan.layout.stage_ranks();
  routing.num_experts = plan.model.num_experts;
  const auto experts = static_cast<size_t>(plan.model.num_experts), ranks = static_cast<size_t>(plan.layout.ranks),
             sources = static_cast<size_t>(plan.layout.stage_ranks());
  for (size_t row = 0; row < own.size() / std::max<size_t>(experts, 1); ++row)  // (iteration, layer)
    for (size_t source = 0; source < sources; ++source)
      for (size_t expert = 0; expert < experts; ++expert) {
        int64_t& rows = routing.counts.emplace_back(0);
        for (size_t rank = source; rank < ranks; rank += sources)
          rows += all[rank * own.size() + row * experts + expert];  // one stage has the layer
      }
  routing.choices = collect_choices(plan, routing.num_moe_layers, steps, gather);
  return routing;
}

}  // namespace

void collect_results(const Plan& plan, const RankProgram& program, StepHistory& history, const MemoryUse& own,
                     const RankMachine& machine, Gather gather, TrainResult& result) {
  const std::vector<TrainedStep> steps = history.take_kept();
  for (const TrainedStep& step : steps) {
    result.steps.push_back(step.step);
    result.loss.push_back(step.loss);
    result.cross_entropy.push_back(step.cross_entropy);
    result.learning_rate.push_back(plan.workload.optimizer.learning_rate_at(step.step));
    if (step.gradient_norm) result.gradient_norm.push_back(*step.gradient_norm);
  }
  result.num_steps = history.num_steps();
  result.step_seconds = step_seconds(steps, gather);
  collect_machine(machine, steps, gather, result);
  result.memory = memory_of_job(own, gather);
  const size_t shown = median_step(result.step_seconds);
  result.timeline_step = static_cast<int64_t>(shown);
  result.timeline = timeline_of(steps[shown].record, program, gather);
  result.timeline.num_ranks = plan.layout.ranks;
  result.timeline.num_stages = plan.layout.pp;
  result.timeline.num_steps = static_cast<int>(steps.size());
  result.timeline.step_seconds = result.step_seconds[shown];
  result.routing = routing_of(plan, program.graph.placement.size(), steps, gather);
  if (result.num_steps > static_cast<int64_t>(steps.size()))
    result.long_run = long_run_of(program, gather.rank(), history, gather);
}

}  // namespace moesaic::executor
