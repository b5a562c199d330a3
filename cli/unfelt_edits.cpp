#include "cli/unfelt_edits.h"

#include <algorithm>
#include <iterator>

namespace moesaic::cli {
namespace {

bool is_or_is_in(const std::string& key, const std::string& parent) {
  return key == parent || key.starts_with(parent + ".");
}

template <size_t N>
bool any_of(const char* const (&parents)[N], const std::string& key) {
  return std::any_of(std::begin(parents), std::end(parents), [&](const char* p) { return is_or_is_in(key, p); });
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
  const std::string ranks = std::to_string(after.layout.ranks);
  // With other nodes the number of nodes may be what makes room for the ranks.
  if (key == "nodes.count" && cluster.devices_per_node == before.cluster.devices_per_node)
    return Unfelt{"the plan's " + ranks + " ranks stay where they are laid out; other nodes are idle",
                  "make a plan for a cluster of that many nodes with `moesaic plan --cluster`"};
  constexpr const char* kNetwork[] = {"links.nic", "links.spine", "links.rail_optimized"};
  if (any_of(kNetwork, key) && after.layout.ranks <= cluster.devices_per_node)
    return Unfelt{"the plan's " + ranks + (after.layout.ranks > 1 ? " ranks are" : " rank is") +
                      " in one node and send nothing over the network",
                  "make a plan for more nodes"};
  return std::nullopt;
}

}  // namespace moesaic::cli
