// What a step costs to simulate against its size: one JSON line per case, each in a fresh process, with core seconds of
// lowering and of simulating, peak memory, and the sizes. `simulator_step_size PROFILES` runs a grid of 8 to 4,096
// devices and 4 to 64 layers for both engines; arguments NAME=VALUE behind it run one case instead.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/schema/documents.h"
#include "core/technique/lower.h"
#include "simulator/simulation.h"

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

Case case_of(const std::map<std::string, std::string>& given) {
  Case made;
  const auto number = [&](const char* name, auto& value) {
    if (given.contains(name)) value = static_cast<std::decay_t<decltype(value)>>(std::stod(given.at(name)));
  };
  if (given.contains("model")) made.model = given.at("model");
  if (given.contains("engine")) made.engine = given.at("engine");
  number("gpus", made.gpus), number("layers", made.layers), number("pp", made.pp), number("ep", made.ep);
  number("micro_batches", made.micro_batches), number("sequence", made.sequence), number("zipf", made.zipf);
  number("every_rank", made.every_rank);
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

/// Of this process and its core: others may share the machine.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Json measured(const Case& c, const std::string& profiles) {
  const Plan plan = plan_of(c, profiles);
  const double begin = cpu_seconds();
  const TaskGraph graph = lower(plan);
  const double lowering = cpu_seconds() - begin;
  rusage lowered;
  ::getrusage(RUSAGE_SELF, &lowered);
  SimulationOptions options;
  options.engine = c.engine == "simgrid" ? EngineKind::simgrid : EngineKind::fluid;
  options.every_rank = c.every_rank;
  const double lowered_at = cpu_seconds();
  const Evaluation evaluation = simulate_in_this_process(graph, plan, options).evaluation;
  const double simulating = cpu_seconds() - lowered_at;
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  constexpr int64_t kKilobyte = 1024;  // the unit of ru_maxrss
  return Json{{"model", c.model},
              {"layers", plan.model.num_layers},
              {"gpus", c.gpus},
              {"pp", c.pp},
              {"ep", plan.layout.ep},
              {"micro_batches", c.micro_batches},
              {"zipf", c.zipf},
              {"every_rank", c.every_rank},
              {"engine", c.engine},
              {"graph_tasks", graph.tasks.size()},
              {"tasks", evaluation.prediction.tasks},
              {"activities", evaluation.activities},
              {"lower_cpu_seconds", lowering},
              {"simulate_cpu_seconds", simulating},
              {"lowered_bytes", lowered.ru_maxrss * kKilobyte},
              {"peak_bytes", usage.ru_maxrss * kKilobyte},
              {"step_seconds", evaluation.prediction.step_seconds}};
}

/// False where the child failed; it has said why.
bool run_in_child(const Case& c, const std::string& profiles) {
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid == 0) {
    try {
      std::printf("%s\n", measured(c, profiles).dump().c_str());
      std::fflush(stdout);
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%d devices, %d layers, %s: %s\n", c.gpus, c.layers, c.engine.c_str(), error.what());
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status == 0;
}

bool run_grid(const std::string& profiles) {
  bool all = true;
  for (const char* engine : {"fluid", "simgrid"})
    for (const double zipf : {0.0, 0.8}) {
      Case c;
      c.engine = engine, c.zipf = zipf, c.layers = 16;
      for (c.gpus = 8; c.gpus <= 4096; c.gpus *= 2) all = run_in_child(c, profiles) && all;
      c.gpus = 128;
      for (c.layers = 4; c.layers <= 64; c.layers *= 2) all = run_in_child(c, profiles) && all;
    }
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: simulator_step_size PROFILES [NAME=VALUE]...\n");
    return 2;
  }
  if (count == 2) return run_grid(arguments[1]) ? 0 : 1;
  std::map<std::string, std::string> given;
  for (int i = 2; i < count; ++i) {
    const std::string argument = arguments[i];
    const size_t equals = std::min(argument.find('='), argument.size());
    given[argument.substr(0, equals)] = argument.substr(std::min(equals + 1, argument.size()));
  }
  return run_in_child(case_of(given), arguments[1]) ? 0 : 1;
}
