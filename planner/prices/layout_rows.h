#pragma once
// The rows that routing gives to ranks under one layout, as far as a closed form needs them.

#include <vector>

#include "core/graph/routing_binding.h"
#include "planner/prices/step_sample.h"

namespace moesaic::planner {

struct LayoutRows {
  RankRows kept{};     // mean over layers, of the rank with most rows in all of them
  RankRows most{};     // of the busiest rank of any layer
  RankRows busiest{};  // mean over layers, of the busiest rank of each
};

/// Of the first microbatch, over the layers that stand for all.
LayoutRows layout_rows(const Plan& plan, const RoutingBinding& binding, const std::vector<int>& moe_layers);

/// The MoE layers that stand for all: at most `most`, spread evenly; one where all have the same rows.
std::vector<int> layers_that_count(const Plan& plan, int most);

/// The rank that receives most rows: position in the first expert-parallel group.
int busiest_rank(const SlotCounts& counts);

}  // namespace moesaic::planner
