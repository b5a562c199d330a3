// What the runtime adds to a task that runs inline: over a chain of small additions, and over a whole training step of
// a small model, as seconds per task and as a share of the step. One rank, so that nothing is waited for.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "core/technique/lower.h"
#include "executor/benchmark/values.h"
#include "executor/comm/local_transport.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/profiling/overhead.h"
#include "executor/runtime/training/training_step.h"

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

/// Times of one repetition each, of which the library takes the median.
void repeat(const std::string& name, const std::function<void(benchmark::State&)>& once) {
  const auto body = [once](benchmark::State& state) {
    for (auto _ : state) once(state);
  };
  benchmark::RegisterBenchmark(name.c_str(), body)
      ->UseManualTime()
      ->Iterations(1)
      ->Repetitions(kRepetitions)
      ->ReportAggregatesOnly();
}

/// One line for each median: seconds per task, and what else the benchmark counted.
class Medians final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.aggregate_name == "median") print(run);
  }

 private:
  static void print(const Run& run) {
    const double per_task_s = run.real_accumulated_time / static_cast<double>(run.iterations);
    std::printf("%-20s %6.3f us per task", run.run_name.function_name.c_str(), per_task_s * 1e6);
    if (const auto step = run.counters.find("step_s"); step != run.counters.end()) {
      const double tasks = run.counters.at("tasks"), step_s = step->second;
      std::printf(" (%.0f tasks), %.2f %% of the step's %.2f ms", tasks, per_task_s * tasks / step_s * 100,
                  step_s * 1e3);
    }
    std::printf("\n");
  }
};

void run() {
  LocalWorld world(1);
  Transport& transport = world.transport(0);
  cpu::CpuBackend backend;
  Bench bench(transport);
  const Measure chain = open_overhead(4, 16, transport, backend, bench);
  chain();  // makes the primitives
  repeat("chain of additions", [&](benchmark::State& state) { state.SetIterationTime(chain().seconds); });

  const Plan plan = small_plan();
  const TaskGraph graph = lower(plan);
  TrainingStep step(graph, plan, 0, backend, transport);
  for (const Parameter& parameter : graph.parameters) fill(step.tensors().resident(parameter.weight), 0, 0.035f);
  Watch watch;
  int64_t number = 0;
  step.run(number++, watch);  // makes the primitives
  repeat("training step", [&](benchmark::State& state) {
    const StepRecord record = step.run(number++, watch);
    Seconds outside_s = record.seconds;
    for (const TaskTime& time : record.times) outside_s -= time.end - time.start;
    const auto tasks = static_cast<double>(graph.tasks.size());
    state.SetIterationTime(outside_s / tasks);
    state.counters["step_s"] = record.seconds;
    state.counters["tasks"] = tasks;
  });
  Medians medians;
  benchmark::RunSpecifiedBenchmarks(&medians, ".");
}

}  // namespace
}  // namespace moesaic::executor

int main() {
  moesaic::executor::run();
  return 0;
}
