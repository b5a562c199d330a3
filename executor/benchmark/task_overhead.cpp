// What the runtime adds to a task that runs inline: over a chain of small additions, and over a whole training step of
// a small model, as seconds per task and as a share of the step. One rank, so that nothing is waited for.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/schema/documents.h"
#include "core/technique/lower.h"
#include "executor/benchmark/values.h"
#include "executor/comm/local_transport.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/profiling/overhead.h"
#include "executor/runtime/rank_step.h"

namespace moesaic::executor {
namespace {

constexpr int kRepetitions = 31;

Plan small_plan() {
  const std::string profiles = MOESAIC_SOURCE_DIR "/profiles", model = profiles + "/models/gpt-moe-tiny.json",
                    workload = profiles + "/workloads/cpu-demo.json";
  Plan plan;
  plan.name = "small step";
  plan.model = read_model(read_json(model), model);
  plan.workload = read_workload(read_json(workload), workload);
  plan.cluster.device.lanes_share_core = true;
  return plan;
}

double chain(Transport& transport) {
  cpu::CpuBackend backend;
  Bench bench(transport);
  const Measure measure = open_overhead(4, 16, transport, backend, bench);
  measure();  // makes the primitives
  std::vector<Sample> samples;
  for (int i = 0; i < kRepetitions; ++i) samples.push_back(measure());
  return median(kept_seconds(samples));
}

struct Share {
  double outside_tasks_s = 0, step_s = 0;
};

Share median_step(RankStep& step) {
  std::vector<Share> shares;
  Watch watch;
  for (int64_t number = 0; number <= kRepetitions; ++number) {
    const StepRecord record = step.run(number, watch);
    Share share{record.seconds, record.seconds};
    for (const TaskTime& time : record.times) share.outside_tasks_s -= time.end - time.start;
    if (number > 0) shares.push_back(share);  // the first step makes the primitives
  }
  const auto middle = shares.begin() + kRepetitions / 2;
  std::nth_element(shares.begin(), middle, shares.end(),
                   [](const Share& a, const Share& b) { return a.outside_tasks_s < b.outside_tasks_s; });
  return *middle;
}

void run() {
  LocalWorld world(1);
  Transport& transport = world.transport(0);
  std::printf("chain of additions   %6.3f us per task\n", chain(transport) * 1e6);
  const Plan plan = small_plan();
  const TaskGraph graph = lower(plan);
  cpu::CpuBackend backend;
  RankStep step(graph, plan, 0, backend, transport);
  for (const Parameter& parameter : graph.parameters) fill(step.tensors().resident(parameter.weight), 0, 0.035f);
  const Share share = median_step(step);
  std::printf("training step        %6.3f us per task (%zu tasks), %.2f %% of the step's %.2f ms\n",
              share.outside_tasks_s / static_cast<double>(graph.tasks.size()) * 1e6, graph.tasks.size(),
              share.outside_tasks_s / share.step_s * 100, share.step_s * 1e3);
}

}  // namespace
}  // namespace moesaic::executor

int main() {
  moesaic::executor::run();
  return 0;
}
