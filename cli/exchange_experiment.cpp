#include "cli/exchange_experiment.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/launcher.h"
#include "cli/session.h"
#include "core/plan/plan_document.h"
#include "core/schema/formatted.h"
#include "simulator/simulation.h"

namespace moesaic::cli {
namespace {

constexpr const char* kEmulatedHosts = MOESAIC_SOURCE_DIR "/scripts/emulated_hosts.sh";

std::string text_of(double value) { return formatted("%.9g", value); }

/// The script says on stderr why not.
bool can_emulate_hosts() {
  static const bool can = std::system((std::string(kEmulatedHosts) + " --check").c_str()) == 0;
  return can;
}

Json measure(const experiments::Links& links, const std::vector<Plan>& plans, int repetitions) {
  const bool threads = links.transport == "threads";
  if (!threads && !can_emulate_hosts()) return Json::array();
  const TemporaryFolder folder;
  const Cluster& cluster = plans.front().cluster;
  LaunchRequest request;
  request.ranks = cluster.num_devices();
  request.launcher = threads ? "local"
                             : std::string(kEmulatedHosts) + " " + std::to_string(cluster.num_nodes) + " " +
                                   std::to_string(cluster.devices_per_node) + " " +
                                   text_of(cluster.nic.bandwidth_bytes_per_s) + " " + text_of(cluster.nic.message_s);
  request.arguments = {"exchange", "--repetitions", std::to_string(repetitions), "--result", folder.file("times.json")};
  for (size_t i = 0; i < plans.size(); ++i) {
    const std::string file = folder.file("plan" + std::to_string(i) + ".json");
    write_file(file, write_plan(plans[i]).dump());
    request.arguments.insert(request.arguments.end(), {"--for", file});
  }
  launch(request);
  return read_json(folder.file("times.json"));
}

Timeline simulated(const Plan& plan) { return simulator::simulate(plan, {.timeline = true}).timeline; }

}  // namespace

Json run_exchange_experiment(const experiments::ExchangeStudy& study) {
  Progress progress;
  return experiments::run_exchange_study(
      study, {simulated, measure, [&](int done, int total) { progress.update(done, total, "jobs"); }});
}

}  // namespace moesaic::cli
