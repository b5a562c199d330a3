#include "experiments/15_what_does_simulating_cost/study.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "experiments/figures/in_turns.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

CostRow row_of(const CostCase& c, const std::vector<SimulationCost>& rounds) {
  const SimulationCost& first = rounds.front();
  CostRow row;
  row.engine = c.engine, row.zipf_exponent = c.zipf_exponent, row.gpus = c.gpus, row.layers = c.layers;
  row.graph_tasks = first.graph_tasks, row.tasks = first.tasks, row.activities = first.activities;
  row.step_s = first.step_seconds;
  std::vector<double> core_s;
  for (const SimulationCost& cost : rounds) {
    row.lower_core_s.push_back(cost.lower_cpu_seconds);
    row.simulate_core_s.push_back(cost.simulate_cpu_seconds);
    core_s.push_back(cost.lower_cpu_seconds + cost.simulate_cpu_seconds);
    row.begin_bytes = std::max(row.begin_bytes, cost.begin_bytes);
    row.lowered_bytes = std::max(row.lowered_bytes, cost.lowered_bytes);
    row.peak_bytes = std::max(row.peak_bytes, cost.peak_bytes);
    MOESAIC_CHECK(cost.step_seconds == first.step_seconds, "a step has another length when it is simulated again");
  }
  row.core_s = median(core_s);
  return row;
}

Json with_summary_of_costs(const Json& document, const std::string& file) {
  auto result = read_document<CostResult>(document, file);
  summarize_costs(result);
  return write_document(result);
}

}  // namespace

CostAxes read_cost_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  CostAxes axes;
  axes.name = reader["name"].text();
  axes.model = reader["model"].text();
  axes.cluster = reader["cluster"].text();
  axes.ep = static_cast<int>(reader["ep"].integer(kCount));
  axes.sequence_length = reader["sequence_length"].integer(kCount);
  axes.engines = reader["engines"].each([](const Field& engine) { return engine.text(); });
  axes.zipf_exponents = reader["zipf_exponents"].numbers(kNotNegative);
  ObjectReader clusters = reader["clusters"].object(), models = reader["models"].object();
  axes.gpus = clusters["gpus"].integers<int>(kCount);
  axes.layers_of_clusters = static_cast<int>(clusters["layers"].integer(kCount));
  axes.layers = models["layers"].integers<int>(kCount);
  axes.gpus_of_models = static_cast<int>(models["gpus"].integer(kCount));
  axes.rounds = static_cast<int>(reader["rounds"].integer({1, 100}));
  for (ObjectReader* object : {&clusters, &models, &reader}) object->finish();
  return axes;
}

std::vector<CostCase> cost_cases(const CostAxes& axes) {
  std::vector<CostCase> cases;
  for (const std::string& engine : axes.engines)
    for (const double zipf : axes.zipf_exponents) {
      const size_t first = cases.size();
      for (const int gpus : axes.gpus) cases.push_back({engine, zipf, gpus, axes.layers_of_clusters});
      for (const int layers : axes.layers) {
        const CostCase one{engine, zipf, axes.gpus_of_models, layers};
        if (std::find(cases.begin() + static_cast<std::ptrdiff_t>(first), cases.end(), one) == cases.end())
          cases.push_back(one);
      }
    }
  return cases;
}

Plan cost_plan(const CostAxes& axes, const CostCase& c, const Model& model, const Cluster& cluster) {
  Plan plan;
  plan.name = axes.name;
  plan.model = model;
  plan.model.num_layers = c.layers;
  plan.model.moe_layers.resize(static_cast<size_t>(c.layers), plan.model.moe_layers.back());
  plan.cluster = cluster;
  const int per_node = plan.cluster.devices_per_node;
  plan.cluster.num_nodes = (c.gpus + per_node - 1) / per_node;
  plan.layout = {c.gpus, std::min(axes.ep, c.gpus)};
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.compute_dtype = DType::bf16;
  plan.workload.sequence_length = axes.sequence_length;
  plan.workload.global_batch = c.gpus;
  plan.routing.generator.zipf_exponent = c.zipf_exponent;
  check_plan(plan, axes.name);
  return plan;
}

CostResult run_cost_study(const CostAxes& axes, const Laboratory& laboratory) {
  const std::vector<CostCase> cases = cost_cases(axes);
  const Model model = laboratory.model(axes.model);
  const Cluster cluster = laboratory.cluster(axes.cluster);
  const int total = static_cast<int>(cases.size()) * axes.rounds;
  int done = 0;
  const auto costs = in_turns(
      cases.size(), axes.rounds,
      [&](size_t i) { return laboratory.simulation_cost(cost_plan(axes, cases[i], model, cluster), cases[i].engine); },
      [&] { laboratory.progress(++done, total, "simulations"); });
  CostResult result;
  result.experiment = axes.name;
  result.rounds = axes.rounds;
  result.layers_of_clusters = axes.layers_of_clusters, result.gpus_of_models = axes.gpus_of_models;
  for (size_t i = 0; i < cases.size(); ++i) result.rows.push_back(row_of(cases[i], costs[i]));
  summarize_costs(result);
  return result;
}

const Study kCostStudy =
    typed_study<read_cost_axes, run_cost_study, cost_tables>("simulation_cost", with_summary_of_costs);

}  // namespace moesaic::experiments
