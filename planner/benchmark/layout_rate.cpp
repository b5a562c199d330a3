// Layouts per second that the closed form prices, seconds and memory: all of a problem, walked and priced, and priced
// alone, by a form that knows their structures already. A100 with measured kernels, nodes of eight.

#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/schema/documents.h"
#include "core/schema/hardware.h"
#include "planner/layout/enumerate.h"
#include "planner/layout/layout_space.h"
#include "planner/prices/closed_form.h"

namespace moesaic::planner {
namespace {

Problem problem_of(const std::string& model, int num_nodes) {
  const std::string profiles = MOESAIC_SOURCE_DIR "/profiles/",
                    profile = profiles + "devices/a100-80g-sxm/profile.json";
  Problem problem;
  problem.model = read_model(read_json(profiles + "models/" + model + ".json"), model);
  problem.cluster = cluster_named("a100-80g-sxm-" + std::to_string(num_nodes) + "x8", {profiles}).value();
  problem.profile = read_profile(read_json(profile), profile);
  problem.workload.phase = WorkloadPhase::training;
  problem.workload.compute_dtype = DType::bf16;
  problem.workload.sequence_length = 1024;
  problem.workload.global_batch = int64_t{64} * num_nodes;
  return problem;
}

void set_rate(benchmark::State& state, size_t layouts) {
  state.counters["layouts"] = static_cast<double>(layouts);
  state.counters["layouts/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(layouts), benchmark::Counter::kIsRate);
}

/// Checked and not priced.
void walked(benchmark::State& state, const std::string& model, int num_nodes) {
  const Problem problem = problem_of(model, num_nodes);
  size_t layouts = 0;
  for (auto _ : state)
    layouts = static_cast<size_t>(for_each_layout(problem, layout_values(problem), [](const Plan&) { return true; }));
  set_rate(state, layouts);
}

/// From nothing: structures are lowered, layouts checked.
void walked_and_priced(benchmark::State& state, const std::string& model, int num_nodes) {
  const Problem problem = problem_of(model, num_nodes);
  size_t layouts = 0;
  for (auto _ : state) {
    ClosedForm form(baseline_plan(problem, {}));
    layouts = static_cast<size_t>(for_each_layout(problem, layout_values(problem), [&](const Plan& plan) {
      benchmark::DoNotOptimize(form.price(plan));
      return true;
    }));
  }
  set_rate(state, layouts);
}

void priced(benchmark::State& state, const std::string& model, int num_nodes) {
  const Problem problem = problem_of(model, num_nodes);
  Plan plan = baseline_plan(problem, {});
  ClosedForm form(plan);
  std::vector<PlanChoices> choices;
  for_each_layout(problem, layout_values(problem), [&](const Plan& layout) {
    form.price(layout);
    choices.push_back(layout);
    return true;
  });
  for (auto _ : state)
    for (const PlanChoices& choice : choices) {
      static_cast<PlanChoices&>(plan) = choice;
      benchmark::DoNotOptimize(form.price(plan));
    }
  set_rate(state, choices.size());
}

BENCHMARK_CAPTURE(walked, qwen3_30b_on_64, "qwen3-30b-a3b", 8)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(walked_and_priced, qwen3_30b_on_64, "qwen3-30b-a3b", 8)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(priced, qwen3_30b_on_64, "qwen3-30b-a3b", 8)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moesaic::planner

BENCHMARK_MAIN();
