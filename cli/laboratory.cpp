#include "cli/laboratory.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/launcher.h"
#include "core/plan/plan_document.h"
#include "core/schema/error.h"
#include "core/schema/formatted.h"
#include "planner/problem/preset.h"
#include "simulator/simulation.h"
#include "simulator/simulation_cost.h"

namespace moesaic::cli {
namespace {

using experiments::ExchangeSamples;
using experiments::ExchangeTimes;
using experiments::Execution;
using experiments::Laboratory;
using experiments::Transport;
using experiments::Way;

constexpr const char* kEmulatedHosts = MOESAIC_SOURCE_DIR "/scripts/emulated_hosts.sh";

/// Throws DeviceError where a step was skipped: such a run is no measurement.
std::vector<double> losses_of(const Json& result, const Plan& plan) {
  std::vector<double> losses;
  for (const Json& loss : result["loss"]) {
    if (loss.is_null()) throw DeviceError(plan.name + ": a step of the execution had no finite loss or gradients");
    losses.push_back(loss);
  }
  return losses;
}

experiments::Emulation emulation_of(const Json& kept) {
  return {kept["due_seconds"], kept["lasted_seconds"],
          kept["woke_late_seconds"].get<double>() / std::max<int64_t>(1, kept["slept"])};
}

Execution execution_of(const Json& result, const Plan& plan) {
  Execution run;
  run.step_seconds = result["step_seconds"];
  run.losses = losses_of(result, plan);
  run.exposed_communication_seconds = result["exposed_communication_seconds"];
  run.peak_device_bytes = result["peak_bytes"]["device"];
  run.timeline = read_timeline(result["timeline"], "result");
  run.routing = beginning_at(read_routing(result["routing"], "result", "/routing"), result["timeline_step"],
                             plan.layout.micro_batches);
  if (result.contains("emulated")) run.emulation = emulation_of(result["emulated"]);
  return run;
}

Execution execute_plan(const Plan& plan, int64_t steps, Way way) {
  const TemporaryFolder folder;
  write_file(folder.file("plan.json"), write_plan(plan).dump());
  LaunchRequest request;
  request.ranks = plan.layout.ranks;
  if (way == Way::emulated) request.launcher = "local";
  request.arguments = {"execute",
                       "--plan",
                       folder.file("plan.json"),
                       "--steps",
                       std::to_string(steps),
                       "--result",
                       folder.file("result.json"),
                       way == Way::emulated ? "--emulate" : "--pin"};
  launch(request);
  return execution_of(read_json(folder.file("result.json")), plan);
}

/// The script says on stderr why not.
bool can_emulate_hosts() {
  static const bool can = std::system((std::string(kEmulatedHosts) + " --check").c_str()) == 0;
  return can;
}

/// A launcher of processes in network namespaces, joined by cards like the cluster's.
std::string emulated_hosts(const Cluster& cluster) {
  return std::string(kEmulatedHosts) + " " + std::to_string(cluster.num_nodes) + " " +
         std::to_string(cluster.devices_per_node) + " " + formatted("%.9g", cluster.nic.bandwidth_bytes_per_s) + " " +
         formatted("%.9g", cluster.nic.message_s);
}

ExchangeSamples samples_of(const Json& document) {
  return {document["seconds"], document["inter_node_messages"], document["inter_node_bytes"]};
}

std::vector<ExchangeTimes> exchange(const std::vector<Plan>& plans, Transport transport, int repetitions) {
  if (transport == Transport::emulated_hosts && !can_emulate_hosts()) return {};
  const TemporaryFolder folder;
  const Cluster& cluster = plans.front().cluster;
  LaunchRequest request;
  request.ranks = cluster.num_devices();
  request.launcher = transport == Transport::threads ? "local" : emulated_hosts(cluster);
  request.arguments = {"exchange", "--repetitions", std::to_string(repetitions), "--result", folder.file("times.json")};
  for (size_t i = 0; i < plans.size(); ++i) {
    const std::string file = folder.file("plan" + std::to_string(i) + ".json");
    write_file(file, write_plan(plans[i]).dump());
    request.arguments.insert(request.arguments.end(), {"--for", file});
  }
  launch(request);
  std::vector<ExchangeTimes> times;
  for (const Json& plan : read_json(folder.file("times.json")))
    times.push_back({samples_of(plan["flat"]), samples_of(plan["hierarchical"])});
  return times;
}

experiments::PublishedSystem published_system(const std::string& name) {
  const std::string file = resolve_document(name, "systems", {kExperiments});
  return experiments::read_published_system(read_json(file), file);
}

}  // namespace

Laboratory laboratory_of(const Session& session, Evaluator& evaluator, Progress& progress) {
  Laboratory laboratory;
  laboratory.model = [&](const std::string& name) { return session.load_model(name); };
  laboratory.cluster = [&](const std::string& name) { return session.load_cluster(name); };
  laboratory.workload = [&](const std::string& name) { return session.load_workload(name); };
  laboratory.routing = [&](const std::string& name) { return session.load_routing(name); };
  laboratory.profile = [&](const Cluster& cluster) { return session.load_profile("", cluster); };
  laboratory.preset = [&](const std::string& name) {
    const std::string file = session.preset_path(name);
    return planner::read_preset(read_json(file), file);
  };
  laboratory.system = published_system;
  laboratory.problem = [&](const experiments::DocumentNames& names) {
    return session.load_problem(names.model, names.cluster, names.workload, names.routing, names.profile);
  };
  laboratory.evaluator = &evaluator;
  laboratory.simulate = [](const Plan& plan) { return simulator::simulate(plan, {.timeline = true}).timeline; };
  laboratory.simulation_cost = [](const Plan& plan, const std::string& engine) {
    return simulator::measure_cost(plan, {.engine = simulator::engine_named(engine)});
  };
  laboratory.execute = execute_plan;
  laboratory.exchange = exchange;
  laboratory.progress = [&](int done, int total, const std::string& what) { progress.update(done, total, what); };
  return laboratory;
}

}  // namespace moesaic::cli
