#pragma once
// Rows that a source sends to each node where a token goes to a node once, however many of its experts stand there. A
// router that has spoken has counted them; here is what to expect of a routing document, which knows rows per expert.

#include <cstdint>
#include <span>
#include <vector>

#include "core/plan/placement.h"

namespace moesaic {

/// What is known of some tokens' choices.
struct TokenChoices {
  int64_t tokens = 0, top_k = 0;
  int64_t groups = 1, groups_per_token = 1;  // a token chooses among the experts of so many of equally large groups
  std::span<const int64_t> expert_rows;      // [num_experts]: tokens that chose each
};

/// Expected number of the tokens that have a row for each node, [nodes]. reach: [nodes][num_experts], the share of an
/// expert's rows that any slot of the node takes: 1 where it stands there, less where other nodes hold replicas.
///
/// Every expert e is chosen or not with p_e = rows_e / tokens, independently but for the condition that a token chooses
/// k = top_k of them: as random as rows per expert allow (conditional Bernoulli sampling; Chen, Dempster and Liu,
/// Biometrika 81, 1994). With [x^k] for the coefficient of k choices
///
///   P(no row) = [x^k] prod_e (1 - p_e + p_e (1 - reach_e) x)  over the same with reach_e = 0
///
/// Of a router that limits groups, a token chooses experts in G = groups_per_token of them and at least one in each, as
/// groups are taken for their best experts: the product runs over groups g, [x^k y^G] prod_g (1 + y w_g (prod_e ... -
/// its constant)), with weights w_g that leave each group its rows.
///
/// Exact where choices are uniform and groups have no limit: of E experts with E_n on the node, P(no row) =
/// C(E - E_n, k) / C(E, k). Skewed p_e are not quite what the condition leaves of them: over all nodes 2 % off drawn
/// tokens (tests/core/routing/node_rows_test.cpp). It assumes that a token's experts have nothing to do with each other
/// beyond that: a router that chooses alike experts of one node together sends fewer rows.
std::vector<double> expected_node_rows(const TokenChoices& choices, const std::vector<std::vector<double>>& reach);

/// [nodes][num_experts]: `reach` of each node. A choice sends a row to every slice of its expert, and replica j of R of
/// a slice takes the rows from j / R to (j + 1) / R of them.
std::vector<std::vector<double>> reach_of_nodes(const ExpertPlacement& placement, int num_experts, int slices,
                                                int nodes);

}  // namespace moesaic
