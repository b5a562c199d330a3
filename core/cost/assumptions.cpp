#include "core/cost/assumptions.h"

#include <algorithm>

#include "core/cost/cost_model.h"
#include "core/cost/gpu_overheads.h"
#include "core/cost/plain_cost_model.h"

namespace moesaic {
namespace {

int64_t tasks_on(const std::map<std::string, int64_t>& price_basis, const std::string& basis) {
  const auto found = price_basis.find(basis);
  return found == price_basis.end() ? 0 : found->second;
}

int64_t num_assumed_curves(const Profile& profile) {
  const auto is_assumed = [](const auto& curve) { return curve.provenance == Provenance::assumed; };
  return std::count_if(profile.operators.begin(), profile.operators.end(), is_assumed) +
         std::count_if(profile.collectives.begin(), profile.collectives.end(), is_assumed);
}

void add_launches(const Profile& profile, const Device& device, WorkloadPhase phase, std::vector<Assumption>& found) {
  if (profile.task_overhead_s > 0) return;
  const Seconds interval = launch_interval(profile, device, phase);
  if (interval == 0)
    found.push_back({"task_overhead_s", 0, 0,
                     !device.lanes_share_core && profile.launch_interval_s > 0
                         ? "engines replay decode as captured graphs"
                         : "nobody measured it"});
  else
    found.push_back(
        {"launch_interval_s", interval, 0,
         interval == kAssumedLaunchInterval ? "4 to 6 us of driver and runtime" : "profile " + profile.name});
}

void add_interference(const Profile& profile, const Cluster& cluster, std::vector<Assumption>& found) {
  const double slowdown = collective_slowdown(profile, cluster.device);
  if (cluster.num_devices() == 1 || slowdown == 1) return;
  found.push_back({"collective_slowdown", slowdown, 0,
                   slowdown == kAssumedCollectiveSlowdown
                       ? "DeepSeek-V3: 20 of 132 multiprocessors communicate, arXiv 2412.19437"
                       : "profile " + profile.name});
}

/// Of links that are said to reach less than their rate, each by itself.
void add_link_efficiencies(const Cluster& cluster, int64_t tasks, std::vector<Assumption>& found) {
  const std::pair<const Link&, const char*> links[] = {{cluster.intra_node, "ports of devices: NCCL and DeepEP"},
                                                       {cluster.nic, "network cards: NCCL and DeepEP"}};
  const size_t before = found.size();
  for (const auto& [link, origin] : links)
    if (link.efficiency < 1 && (&link != &cluster.nic || cluster.num_nodes > 1))
      found.push_back({"link_efficiency", link.efficiency, tasks, origin});
  if (found.size() == before)
    found.push_back(
        {"link_efficiency", 1, tasks, "no curve of the collective: the cluster document's rates and latencies"});
}

}  // namespace

std::vector<Assumption> assumptions_of(const Profile& profile, const Cluster& cluster, WorkloadPhase phase,
                                       const std::map<std::string, int64_t>& price_basis) {
  std::vector<Assumption> found;
  if (const int64_t tasks = tasks_on(price_basis, name_of(Basis::roofline)); tasks > 0) {
    found.push_back({"flops_efficiency", profile.assumed_flops_efficiency, tasks,
                     profile.assumed_flops_efficiency == kAssumedFlopsEfficiency
                         ? "GPT training at 44 to 52 % of an A100's peak, arXiv 2104.04473, table 1"
                         : "profile " + profile.name});
    found.push_back({"bandwidth_efficiency", profile.assumed_bandwidth_efficiency, tasks,
                     profile.assumed_bandwidth_efficiency == kAssumedBandwidthEfficiency ||
                             profile.assumed_bandwidth_efficiency == kPlainEfficiency
                         ? "a guess without a source"
                         : "profile " + profile.name});
  }
  const auto assumed = static_cast<double>(num_assumed_curves(profile));
  if (assumed > 0 && tasks_on(price_basis, name_of(Basis::scaled)) > 0)
    found.push_back({"assumed_curves", assumed, 0, "measured on another device or before a rate was edited"});
  if (!price_basis.empty()) add_launches(profile, cluster.device, phase, found);
  if (!price_basis.empty()) add_interference(profile, cluster, found);
  if (const int64_t tasks = tasks_on(price_basis, kAlphaBeta); tasks > 0) add_link_efficiencies(cluster, tasks, found);
  return found;
}

}  // namespace moesaic
