#pragma once
// DeepSeek's expert-parallel load balancer (EPLB): pack groups to nodes, replicate within nodes, pack replicas to
// ranks. It computes in float with the original's tie-breaks (first maximum, first minimum, earlier index), so maps
// agree bit for bit where the original is deterministic; it balances rows and knows neither weight reads nor links.

#include <vector>

#include "planner/placement/request.h"

namespace moesaic::planner {

struct EplbPacking {
  std::vector<int> pack_idx;      // [num_items]
  std::vector<int> rank_in_pack;  // [num_items]
};

/// Heaviest item first into the lightest pack that is not full; every pack gets num_items / num_packs items.
EplbPacking balanced_packing(const std::vector<float>& weight, int num_packs);

struct EplbReplicas {
  std::vector<int> physical_to_logical;  // [num_physical]: the logical experts in order, then the redundant replicas
  std::vector<int> replica_idx;          // [num_physical]
  std::vector<int> logical_count;        // [num_logical]
};

/// Each redundant replica goes to the expert with the largest weight per replica.
EplbReplicas replicate_experts(const std::vector<float>& weight, int num_physical);

struct EplbTopology {
  int num_groups = 1;  // of experts; the hierarchical policy runs when num_nodes divides it, else topology is ignored
  int num_nodes = 1;
};

struct EplbMaps {
  std::vector<std::vector<int>> physical_to_logical;               // [num_layers, num_replicas]
  std::vector<std::vector<std::vector<int>>> logical_to_physical;  // [num_layers, num_experts, X], padded with -1
  std::vector<std::vector<int>> logical_count;                     // [num_layers, num_experts]
};

/// The original's entry point, for sizes that eplb_refusal() accepts. weight: [num_layers, num_experts].
EplbMaps rebalance_experts(const std::vector<std::vector<float>>& weight, int num_replicas, EplbTopology topology,
                           int num_ranks);

/// Why EPLB cannot serve these sizes (its divisibility conditions), or "".
std::string eplb_refusal(int num_experts, int num_replicas, EplbTopology topology, int num_ranks);

/// EPLB as a policy. It does not know the rule of distinct experts: refuses where its answer would break it.
PlacementResult eplb(const PlacementRequest& request, EplbTopology topology);

}  // namespace moesaic::planner
