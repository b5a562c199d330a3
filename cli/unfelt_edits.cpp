#include "cli/unfelt_edits.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "core/cost/gpu_overheads.h"
#include "core/technique/lower.h"

namespace moesaic::cli {
namespace {

bool is_or_is_in(const std::string& key, const std::string& parent) {
  return key == parent || key.starts_with(parent + ".");
}

template <size_t N>
bool any_of(const char* const (&parents)[N], const std::string& key) {
  return std::any_of(std::begin(parents), std::end(parents), [&](const char* p) { return is_or_is_in(key, p); });
}

std::string ranks_of(const Plan& plan) {
  return "the plan's " + std::to_string(plan.layout.ranks) + (plan.layout.ranks > 1 ? " ranks" : " rank");
}

/// Whether collectives of the step can send anything over the links; `spine`: or stay on their rails.
struct UsedLinks {
  bool intra_node = false, nic = false, spine = false;
};

UsedLinks used_links(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  std::set<int> families;
  for (const Task& task : graph.tasks)
    if (task.communicator >= 0) families.insert(task.communicator);
  UsedLinks used;
  const Cluster& cluster = plan.cluster;
  for (const int family : families)
    for (const std::vector<int>& group : graph.communicators[family].groups)
      for (size_t i = 1; i < group.size(); ++i) {  // in rank order, so node by node
        const bool same_node = cluster.node_of(group[i - 1]) == cluster.node_of(group[i]);
        (same_node ? used.intra_node : used.nic) = true;
        if (cluster.node_of(group.front()) != cluster.node_of(group.back()))
          used.spine |= cluster.rail_optimized && cluster.local_rank(group[i - 1]) != cluster.local_rank(group[i]);
      }
  return used;
}

std::optional<Unfelt> unfelt_link(const std::string& key, const Plan& plan) {
  const UsedLinks used = used_links(plan);
  constexpr const char* kNetwork[] = {"links.nic", "links.spine", "links.rail_optimized"};
  if (any_of(kNetwork, key) && !used.nic) {
    const bool one_node = plan.layout.ranks <= plan.cluster.devices_per_node;
    return Unfelt{one_node ? ranks_of(plan) + (plan.layout.ranks > 1 ? " are" : " is") +
                                 " in one node and send nothing over the network"
                           : "no collective of the plan leaves a node",
                  one_node ? "make a plan for more nodes" : "take a layout that spans nodes"};
  }
  if (key == "links.rail_optimized" && !plan.cluster.spine.present())
    return Unfelt{"the cluster has no spine, so rails block nothing between them", "give the cluster links.spine"};
  if (is_or_is_in(key, "links.spine") && !used.spine)
    return Unfelt{plan.cluster.rail_optimized ? "every collective of the plan stays on its rail"
                                              : "the network is not rail-optimized, so nothing passes its spine",
                  plan.cluster.rail_optimized ? "take a layout that crosses rails" : "set links.rail_optimized too"};
  if (is_or_is_in(key, "links.intra_node") && !used.intra_node)
    return Unfelt{"no two ranks of a node exchange anything in this plan", "make a plan for more ranks of a node"};
  return std::nullopt;
}

/// Host memory, storage and the way to them: only expert states move there.
std::optional<Unfelt> unfelt_tier(const std::string& key, const Plan& plan) {
  const Tier home = plan.expert_storage.home;
  constexpr const char* kTiers[] = {"links.pcie", "nodes.storage", "nodes.host_memory_bytes",
                                    "nodes.host_memory_bandwidth_bytes_per_s"};
  if (!any_of(kTiers, key)) return std::nullopt;
  if (home == Tier::device)
    return Unfelt{"the plan's expert states live on the devices, and nothing moves to another tier",
                  "give expert_storage.home another tier"};
  if (is_or_is_in(key, "nodes.storage") && home != Tier::storage)
    return Unfelt{"the plan's expert states live in host memory, not on storage", "set expert_storage.home to storage"};
  constexpr const char* kWays[] = {"links.pcie", "nodes.host_memory_bandwidth_bytes_per_s"};
  if (any_of(kWays, key) && plan.cluster.device.lanes_share_core)
    return Unfelt{"what CPU ranks move in memory is work of their cores", "edit device.memory_bandwidth_bytes_per_s"};
  if (key == "links.pcie.latency_s")
    return Unfelt{"transfers are priced by their bytes alone", "edit links.pcie.bandwidth_bytes_per_s"};
  return std::nullopt;
}

/// What kernels of a GPU lose besides their own time.
std::optional<Unfelt> unfelt_overhead(const std::string& key, const Plan& plan) {
  if (key != "launch_interval_s" && key != "collective_slowdown") return std::nullopt;
  if (plan.cluster.device.lanes_share_core)
    return Unfelt{"is of GPUs, and the plan's ranks are CPU cores", "edit task_overhead_s or neighbour_slowdown"};
  if (key == "launch_interval_s" &&
      launch_interval(plan.profile, plan.cluster.device, plan.workload.phase) != plan.profile.launch_interval_s)
    return Unfelt{plan.profile.task_overhead_s > 0 ? "the profile's task_overhead_s stands in its place"
                                                   : "decode is replayed as a captured graph",
                  "edit task_overhead_s"};
  return std::nullopt;
}

}  // namespace

std::optional<Unfelt> unfelt(const std::string& key, const Plan& before, const Plan& after) {
  constexpr const char* kNames[] = {"kind", "name", "source", "device.name"};
  if (any_of(kNames, key)) return Unfelt{"names a document or device and has no price", "leave it out"};
  constexpr const char* kOutcomes[] = {"prediction", "decisions", "evaluations", "interrupted"};
  if (any_of(kOutcomes, key))
    return Unfelt{"is an outcome of planning, which a simulation does not read", "leave it out"};
  constexpr const char* kValues[] = {"optimizer", "seed"};
  if (any_of(kValues, key))
    return Unfelt{"changes the values that are trained, not the time that a step takes", "leave it out"};
  const Cluster& cluster = after.cluster;
  // With other nodes the number of nodes may be what makes room for the ranks.
  if (key == "nodes.count" && cluster.devices_per_node == before.cluster.devices_per_node)
    return Unfelt{ranks_of(after) + (after.layout.ranks > 1 ? " stay where they are" : " stays where it is") +
                      " laid out; other nodes are idle",
                  "make a plan for a cluster of that many nodes with `moesaic plan --cluster`"};
  if (key == "nodes.devices_per_node" &&
      after.layout.ranks <= std::min(cluster.devices_per_node, before.cluster.devices_per_node))
    return Unfelt{
        ranks_of(after) + (after.layout.ranks > 1 ? " stay" : " stays") + " in one node; other devices are idle",
        "make a plan for a cluster of such nodes with `moesaic plan --cluster`"};
  if (const std::optional<Unfelt> overhead = unfelt_overhead(key, after)) return overhead;
  if (const std::optional<Unfelt> tier = unfelt_tier(key, after)) return tier;
  return key.starts_with("links.") ? unfelt_link(key, after) : std::nullopt;
}

}  // namespace moesaic::cli
