// What one step costs to simulate, as a JSON line: core seconds of lowering and of simulating, peak memory, and the
// sizes. `simulator_step_size PROFILES NAME=VALUE...` names the step. How the cost grows, experiments/15 asks.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "simulator/simulation_cost.h"

namespace {

using namespace moesaic;
using namespace moesaic::simulator;

struct Case {
  std::string model = "deepseek-v3", engine = "fluid";
  int gpus = 64, layers = 0, pp = 1, ep = 64, micro_batches = 1;  // no layers: all of the model
  int64_t sequence = 4096;
  double zipf = 0;
  bool every_rank = false;
};

/// InputError for a name that no case has.
Case case_of(const std::map<std::string, std::string>& given) {
  Case made;
  std::set<std::string> known;
  const auto text = [&](const char* name) {
    known.insert(name);
    const auto found = given.find(name);
    return found == given.end() ? std::nullopt : std::optional(found->second);
  };
  const auto number = [&](const char* name, auto& value) {
    if (const auto found = text(name)) value = static_cast<std::decay_t<decltype(value)>>(std::stod(*found));
  };
  made.model = text("model").value_or(made.model);
  made.engine = text("engine").value_or(made.engine);
  number("gpus", made.gpus), number("layers", made.layers), number("pp", made.pp), number("ep", made.ep);
  number("micro_batches", made.micro_batches), number("sequence", made.sequence), number("zipf", made.zipf);
  number("every_rank", made.every_rank);
  for (const auto& [name, value] : given)
    if (!known.contains(name)) throw InputError("argument '" + name + "'", "", "names nothing of a case");
  if (made.gpus < 1 || made.pp < 1) throw InputError("arguments 'gpus', 'pp'", "", "are not at least 1");
  return made;
}

/// One sequence per rank and microbatch, on nodes of eight H100 (datasheet: 3.35 TB/s, 989 TFLOP/s in bf16) with a 400
/// Gb/s card each.
Plan plan_of(const Case& c, const std::string& profiles) {
  Plan plan;
  plan.name = c.model;
  plan.model = read_model(read_json(profiles + "/models/" + c.model + ".json"), c.model);
  if (c.layers > 0) {
    plan.model.num_layers = c.layers;
    plan.model.moe_layers.resize(static_cast<size_t>(c.layers), plan.model.moe_layers.back());
  }
  plan.cluster = read_cluster(read_json(profiles + "/clusters/a100-80g-16x8.json"), "cluster");
  plan.cluster.num_nodes = (c.gpus + 7) / 8;
  plan.cluster.device.memory_bandwidth_bytes_per_s = 3.35e12;
  plan.cluster.device.peak_bf16_flops_per_s = 989e12;
  plan.cluster.intra_node.bandwidth_bytes_per_s = 450e9, plan.cluster.nic.bandwidth_bytes_per_s = 50e9;
  plan.layout = {c.gpus, std::min(c.ep, c.gpus / c.pp), c.micro_batches};
  plan.layout.pp = c.pp;
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.compute_dtype = DType::bf16;
  plan.workload.sequence_length = c.sequence;
  plan.workload.global_batch = int64_t{c.gpus / c.pp} * c.micro_batches;
  plan.routing.generator.zipf_exponent = c.zipf;
  return plan;
}

Json measured(const Case& c, const std::string& profiles) {
  const Plan plan = plan_of(c, profiles);
  check_plan(plan, c.model);
  SimulationOptions options;
  options.engine = engine_named(c.engine);
  options.every_rank = c.every_rank;
  const SimulationCost cost = measure_cost(plan, options);
  return Json{{"model", c.model},
              {"layers", plan.model.num_layers},
              {"gpus", c.gpus},
              {"pp", c.pp},
              {"ep", plan.layout.ep},
              {"micro_batches", c.micro_batches},
              {"zipf", c.zipf},
              {"every_rank", c.every_rank},
              {"engine", c.engine},
              {"graph_tasks", cost.graph_tasks},
              {"tasks", cost.tasks},
              {"activities", cost.activities},
              {"lower_cpu_seconds", cost.lower_cpu_seconds},
              {"simulate_cpu_seconds", cost.simulate_cpu_seconds},
              {"lowered_bytes", cost.lowered_bytes},
              {"peak_bytes", cost.peak_bytes},
              {"step_seconds", cost.step_seconds}};
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: simulator_step_size PROFILES [NAME=VALUE]...\n");
    return 2;
  }
  std::map<std::string, std::string> given;
  for (int i = 2; i < count; ++i) {
    const std::string argument = arguments[i];
    const size_t equals = std::min(argument.find('='), argument.size());
    given[argument.substr(0, equals)] = argument.substr(std::min(equals + 1, argument.size()));
  }
  try {
    std::printf("%s\n", measured(case_of(given), arguments[1]).dump().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "simulator_step_size: %s\n", error.what());
    return 1;
  }
  return 0;
}
