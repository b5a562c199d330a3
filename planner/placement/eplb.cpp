#include "planner/placement/eplb.h"

#include <algorithm>
#include <numeric>

#include "core/schema/error.h"

namespace moesaic::planner {
namespace {

struct LayerMaps {
  std::vector<int> physical_to_logical;  // [num_replicas]
  std::vector<int> replica_idx;          // [num_replicas]
};

/// Step 1. The experts of each node, in the order in which their groups arrived there: [num_nodes, experts_per_node].
std::vector<std::vector<int>> experts_by_node(const std::vector<float>& weight, EplbTopology topology) {
  const int group_size = static_cast<int>(weight.size()) / topology.num_groups;
  std::vector<float> group_weight(topology.num_groups);
  for (int group = 0; group < topology.num_groups; ++group) {
    const auto first = weight.begin() + group * group_size;
    group_weight[group] = std::accumulate(first, first + group_size, 0.0F);
  }
  const EplbPacking packing = balanced_packing(group_weight, topology.num_nodes);
  std::vector<std::vector<int>> experts(topology.num_nodes, std::vector<int>(weight.size() / topology.num_nodes));
  for (int group = 0; group < topology.num_groups; ++group) {
    const auto first = experts[packing.pack_idx[group]].begin() + packing.rank_in_pack[group] * group_size;
    std::iota(first, first + group_size, group * group_size);
  }
  return experts;
}

/// Steps 2 and 3 on one node: replicate its experts, then pack the replicas to its ranks.
LayerMaps place_on_node(const std::vector<float>& weight, const std::vector<int>& experts, int num_physical,
                        int num_ranks) {
  std::vector<float> node_weight;
  for (const int expert : experts) node_weight.push_back(weight[expert]);
  const EplbReplicas replicas = replicate_experts(node_weight, num_physical);
  std::vector<float> replica_weight;
  for (const int local : replicas.physical_to_logical) {
    replica_weight.push_back(node_weight[local] / static_cast<float>(replicas.logical_count[local]));
  }
  const EplbPacking packing = balanced_packing(replica_weight, num_ranks);
  LayerMaps maps{std::vector<int>(num_physical), std::vector<int>(num_physical)};
  for (int item = 0; item < num_physical; ++item) {
    const int slot = packing.pack_idx[item] * (num_physical / num_ranks) + packing.rank_in_pack[item];
    maps.physical_to_logical[slot] = experts[replicas.physical_to_logical[item]];
    maps.replica_idx[slot] = replicas.replica_idx[item];
  }
  return maps;
}

LayerMaps place_layer(const std::vector<float>& weight, int num_replicas, EplbTopology topology, int num_ranks) {
  LayerMaps layer;
  for (const std::vector<int>& experts : experts_by_node(weight, topology)) {
    const LayerMaps node =
        place_on_node(weight, experts, num_replicas / topology.num_nodes, num_ranks / topology.num_nodes);
    layer.physical_to_logical.insert(layer.physical_to_logical.end(), node.physical_to_logical.begin(),
                                     node.physical_to_logical.end());
    layer.replica_idx.insert(layer.replica_idx.end(), node.replica_idx.begin(), node.replica_idx.end());
  }
  return layer;
}

EplbTopology effective(EplbTopology topology) {
  return topology.num_groups % topology.num_nodes == 0 ? topology : EplbTopology{1, 1};
}

void append(EplbMaps& maps, const LayerMaps& layer, int num_experts) {
  std::vector<int> count(num_experts, 0);
  std::vector<std::vector<int>> to_physical(num_experts);
  for (const int expert : layer.physical_to_logical) ++count[expert];
  for (int expert = 0; expert < num_experts; ++expert) to_physical[expert].assign(count[expert], -1);
  for (std::size_t slot = 0; slot < layer.physical_to_logical.size(); ++slot) {
    to_physical[layer.physical_to_logical[slot]][layer.replica_idx[slot]] = static_cast<int>(slot);
  }
  maps.physical_to_logical.push_back(layer.physical_to_logical);
  maps.logical_to_physical.push_back(std::move(to_physical));
  maps.logical_count.push_back(std::move(count));
}

}  // namespace

EplbPacking balanced_packing(const std::vector<float>& weight, int num_packs) {
  const int num_items = static_cast<int>(weight.size());
  MOESAIC_CHECK(num_packs >= 1 && num_items % num_packs == 0, "packs must divide items");
  const int items_per_pack = num_items / num_packs;
  std::vector<int> order(num_items);
  std::iota(order.begin(), order.end(), 0);
  EplbPacking packing{order, std::vector<int>(num_items, 0)};
  if (items_per_pack == 1) return packing;  // the original keeps the order here instead of sorting

  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return weight[a] > weight[b]; });
  std::vector<float> pack_weight(num_packs, 0.0F);
  std::vector<int> pack_items(num_packs, 0);
  for (const int item : order) {
    int lightest = -1;
    for (int pack = 0; pack < num_packs; ++pack) {
      if (pack_items[pack] == items_per_pack) continue;
      if (lightest < 0 || pack_weight[pack] < pack_weight[lightest]) lightest = pack;
    }
    packing.pack_idx[item] = lightest;
    packing.rank_in_pack[item] = pack_items[lightest]++;
    pack_weight[lightest] += weight[item];
  }
  return packing;
}

EplbReplicas replicate_experts(const std::vector<float>& weight, int num_physical) {
  const int num_logical = static_cast<int>(weight.size());
  MOESAIC_CHECK(num_physical >= num_logical, "every expert needs a slot");
  EplbReplicas replicas{std::vector<int>(num_physical), std::vector<int>(num_physical, 0),
                        std::vector<int>(num_logical, 1)};
  std::iota(replicas.physical_to_logical.begin(), replicas.physical_to_logical.end(), 0);
  for (int physical = num_logical; physical < num_physical; ++physical) {
    int hottest = 0;
    const auto per_replica = [&](int expert) {
      return weight[expert] / static_cast<float>(replicas.logical_count[expert]);
    };
    for (int expert = 1; expert < num_logical; ++expert) {
      if (per_replica(expert) > per_replica(hottest)) hottest = expert;
    }
    replicas.physical_to_logical[physical] = hottest;
    replicas.replica_idx[physical] = replicas.logical_count[hottest]++;
  }
  return replicas;
}

EplbMaps rebalance_experts(const std::vector<std::vector<float>>& weight, int num_replicas, EplbTopology topology,
                           int num_ranks) {
  EplbMaps maps;
  int most_replicas = 0;
  for (const std::vector<float>& layer_weight : weight) {
    const int num_experts = static_cast<int>(layer_weight.size());
    const std::string refusal = eplb_refusal(num_experts, num_replicas, topology, num_ranks);
    MOESAIC_CHECK(refusal.empty(), refusal);
    append(maps, place_layer(layer_weight, num_replicas, effective(topology), num_ranks), num_experts);
    for (const int count : maps.logical_count.back()) most_replicas = std::max(most_replicas, count);
  }
  for (auto& layer : maps.logical_to_physical) {
    for (auto& slots : layer) slots.resize(most_replicas, -1);
  }
  return maps;
}

std::string eplb_refusal(int num_experts, int num_replicas, EplbTopology topology, int num_ranks) {
  if (topology.num_groups < 1 || topology.num_nodes < 1 || num_ranks < 1 || num_experts < 1) {
    return "EPLB needs at least one expert, group, node and rank";
  }
  const EplbTopology used = effective(topology);
  if (num_experts % used.num_groups != 0) return "EPLB needs num_groups to divide num_experts";
  if (num_ranks % used.num_nodes != 0) return "EPLB needs num_nodes to divide num_ranks";
  if (num_replicas % num_ranks != 0) return "EPLB needs num_ranks to divide num_replicas";
  if (num_replicas < num_experts) return "EPLB needs a replica of every expert";
  return "";
}

PlacementResult eplb(const PlacementRequest& request, EplbTopology topology) {
  if (std::string refusal = refusal_of(request); !refusal.empty()) return {{}, refusal};
  const int num_replicas = request.num_slots();
  if (std::string refusal = eplb_refusal(request.num_experts, num_replicas, topology, request.num_ranks);
      !refusal.empty()) {
    return {{}, refusal};
  }
  const std::vector<float> weight(request.tokens.begin(), request.tokens.end());
  LayerPlacement placement = unfilled(request);
  placement.slot_to_expert =
      place_layer(weight, num_replicas, effective(topology), request.num_ranks).physical_to_logical;
  if (std::string broken = invalid_reason(placement, request.rules); !broken.empty()) return {{}, "EPLB: " + broken};
  return {placement, ""};
}

}  // namespace moesaic::planner
