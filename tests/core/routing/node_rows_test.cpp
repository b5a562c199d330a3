#include "core/routing/node_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/routing/live_routing.h"
#include "core/routing/recorded_routing.h"
#include "core/schema/hash.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

std::vector<std::vector<double>> contiguous_reach(int experts, int nodes) {
  return reach_of_nodes(contiguous_placement(experts, nodes), experts, 1, nodes);
}

double binomial(int64_t n, int64_t k) {
  return std::round(std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1)));
}

// 1000 tokens, every expert chosen by top_k / E of them. Of 8 experts 2 for a node of 2 experts: 1000 (1 - C(6, 2) /
// C(8, 2)) = 1000 (1 - 15 / 28).
TEST(NodeRows, OfUniformChoicesAreHypergeometric) {
  for (const auto& [experts, top_k, nodes] : {std::tuple{8, 2, 4}, {8, 1, 2}, {8, 8, 2}, {64, 8, 4}, {256, 8, 8}}) {
    const int64_t tokens = 1000 * experts / top_k;
    const std::vector<int64_t> rows(static_cast<size_t>(experts), 1000);
    const double missed = binomial(experts - experts / nodes, top_k) / binomial(experts, top_k);
    for (const double once : expected_node_rows({tokens, top_k, 1, 1, rows}, contiguous_reach(experts, nodes)))
      EXPECT_NEAR(once, static_cast<double>(tokens) * (1 - missed), 1e-6 * static_cast<double>(tokens))
          << experts << " experts, top " << top_k;
  }
}

/// All sets of top_k experts, of groups or not, each as likely as the product of odds p / (1 - p) of its experts.
std::vector<double> enumerated(const std::vector<int64_t>& rows, int64_t tokens, int top_k, int nodes) {
  const auto experts = static_cast<int>(rows.size());
  double all = 0;
  std::vector<double> reached(static_cast<size_t>(nodes), 0.0);
  for (unsigned set = 0; set < 1u << experts; ++set) {
    if (std::popcount(set) != top_k) continue;
    double weight = 1;
    std::vector<bool> seen(static_cast<size_t>(nodes), false);
    for (int e = 0; e < experts; ++e) {
      if ((set >> e & 1) == 0) continue;
      weight *= static_cast<double>(rows[static_cast<size_t>(e)]) /
                static_cast<double>(tokens - rows[static_cast<size_t>(e)]);
      seen[static_cast<size_t>(e * nodes / experts)] = true;
    }
    all += weight;
    for (size_t node = 0; node < reached.size(); ++node) reached[node] += seen[node] ? weight : 0;
  }
  for (double& node : reached) node *= static_cast<double>(tokens) / all;
  return reached;
}

TEST(NodeRows, OfSkewedChoicesAreThoseOfAllSetsOfExperts) {
  const std::vector<int64_t> rows = {90, 5, 5, 20, 40, 60, 30, 50, 1, 0, 59, 40};  // 400
  for (const int nodes : {2, 3, 4, 6}) {
    const std::vector<double> once = expected_node_rows({100, 4, 1, 1, rows}, contiguous_reach(12, nodes)),
                              expected = enumerated(rows, 100, 4, nodes);
    for (size_t node = 0; node < once.size(); ++node) EXPECT_NEAR(once[node], expected[node], 1e-9);
  }
}

// Expert 0 takes all tokens: its node gets them all. Rows that no token could have chosen (4 of one expert are twice as
// many as there are tokens) count as if choices were independent.
TEST(NodeRows, OfDegenerateChoices) {
  const auto reach = contiguous_reach(4, 2);
  EXPECT_EQ(expected_node_rows({10, 1, 1, 1, std::vector<int64_t>{10, 0, 0, 0}}, reach), (std::vector<double>{10, 0}));
  EXPECT_EQ(expected_node_rows({0, 2, 1, 1, std::vector<int64_t>{0, 0, 0, 0}}, reach), (std::vector<double>{0, 0}));
  EXPECT_EQ(expected_node_rows({2, 2, 1, 1, std::vector<int64_t>{4, 0, 0, 0}}, reach), (std::vector<double>{2, 0}));
}

struct Shape {
  int experts, top_k, nodes, groups = 1, groups_per_token = 1;
};

double gumbel(int token, int expert) {
  const uint64_t draw = splitmix64(splitmix64(static_cast<uint64_t>(token) + 1) ^ static_cast<uint64_t>(expert + 1));
  return -std::log(-std::log((static_cast<double>(draw >> 11) + 0.5) * 0x1p-53));
}

/// The groups whose two best scores add up to most (DeepSeek-V3, arXiv 2412.19437, section 2.1.2); scores elsewhere
/// become -infinity.
void close_groups(const Shape& s, std::vector<double>& scores) {
  const int size = s.experts / s.groups;
  std::vector<std::pair<double, int>> groups;
  for (int g = 0; g < s.groups; ++g) {
    std::vector<double> own(scores.begin() + g * size, scores.begin() + (g + 1) * size);
    std::sort(own.rbegin(), own.rend());
    groups.push_back({-own[0] - own[1], g});
  }
  std::sort(groups.begin(), groups.end());
  for (size_t g = static_cast<size_t>(s.groups_per_token); g < groups.size(); ++g)
    std::fill_n(scores.begin() + groups[g].second * size, size, -HUGE_VAL);
}

/// What tokens of a router with popularities 1 / (r + 1)^skew and noise of a Gumbel distribution choose: top_k experts
/// one after the other without replacement.
struct Drawn {
  std::vector<int64_t> rows, once;  // [experts], [nodes]

  Drawn(const Shape& s, int tokens, double skew)
      : rows(static_cast<size_t>(s.experts), 0), once(static_cast<size_t>(s.nodes), 0) {
    for (int t = 0; t < tokens; ++t) {
      std::vector<double> scores;
      for (int e = 0; e < s.experts; ++e)
        scores.push_back(gumbel(t, e) - skew * std::log((e * 37 + 11) % s.experts + 1));  // 37: coprime to all counts
      if (s.groups > 1) close_groups(s, scores);
      std::vector<bool> seen(once.size(), false);
      for (int i = 0; i < s.top_k; ++i) {
        const auto best = std::max_element(scores.begin(), scores.end());
        const auto expert = static_cast<size_t>(best - scores.begin());
        *best = -HUGE_VAL;
        ++rows[expert];
        seen[expert * once.size() / scores.size()] = true;
      }
      for (size_t node = 0; node < once.size(); ++node) once[node] += seen[node];
    }
  }
};

void expect_drawn(const Shape& s, double skew, double off_in_all, double off_on_a_node) {
  constexpr int kTokens = 4000;
  const Drawn drawn(s, kTokens, skew);
  const std::vector<double> once = expected_node_rows({kTokens, s.top_k, s.groups, s.groups_per_token, drawn.rows},
                                                      contiguous_reach(s.experts, s.nodes));
  double expected = 0, counted = 0;
  for (size_t node = 0; node < once.size(); ++node) {
    const auto of_node = static_cast<double>(drawn.once[node]);
    EXPECT_NEAR(once[node], of_node, off_on_a_node * of_node) << s.experts << " experts, skew " << skew;
    expected += once[node], counted += of_node;
  }
  EXPECT_NEAR(expected, counted, off_in_all * counted) << s.experts << " experts, skew " << skew;
}

// Seen at most: 0.3 % in all of 4000 uniform tokens, of which chance is half; 1 % in all and 8 % on a node at skew 1,
// where the most popular of 16 experts is chosen by every second token; 2 % and 15 % at skew 1.5, by three of four.
TEST(NodeRows, AreThoseOfDrawnTokens) {
  for (const Shape& s : {Shape{8, 2, 2}, Shape{16, 2, 4}, Shape{64, 8, 4}, Shape{256, 8, 8}, Shape{128, 4, 16}}) {
    expect_drawn(s, 0, 0.006, 0.025);
    expect_drawn(s, 0.5, 0.006, 0.04);
    expect_drawn(s, 1, 0.012, 0.1);
    expect_drawn(s, 1.5, 0.025, 0.2);
  }
}

// DeepSeek-V3's 4 of 8 groups and DeepSeek-V2's 3 of 8, with as many nodes as groups, half and twice as many. Seen: 1 %
// in all, 2 % on a node without skew, 7 % at 0.5. Beyond that groups are less like the sampling: 2 % in all, 25 % on a
// node at skew 1.
TEST(NodeRows, AreThoseOfDrawnTokensInGroups) {
  for (const Shape& s :
       {Shape{256, 8, 8, 8, 4}, Shape{256, 8, 4, 8, 4}, Shape{256, 8, 16, 8, 4}, Shape{160, 6, 8, 8, 3}}) {
    expect_drawn(s, 0, 0.01, 0.04);
    expect_drawn(s, 0.5, 0.01, 0.1);
    expect_drawn(s, 1, 0.03, 0.3);
  }
}

// 4 experts in two slices on two nodes of one rank. Slices of expert 0 stand on both nodes, those of expert 1 on the
// first. Slice 4 (of expert 2) has replicas on both nodes, slice 5 two on the first: half of the rows reach the second.
// Expert 3 is on the second.
TEST(NodeRows, ReachNodesBySlicesAndReplicas) {
  const ExpertPlacement placement{6, {0, 2, 3, 4, 5, 5, /**/ 1, 4, 6, 7, 6, 7}};
  EXPECT_EQ(reach_of_nodes(placement, 4, 2, 2), (std::vector<std::vector<double>>{{1, 1, 1, 0}, {1, 0, 0.5, 1}}));
}

Plan once_per_node(int chunks) {
  Plan plan = testing::tiny_plan(4, 4);
  plan.workload.global_batch = 16, plan.workload.sequence_length = 8;
  plan.dispatch.all_to_all = AllToAllKind::node_limited;
  plan.dispatch.chunks = chunks;
  return plan;
}

// 32 tokens a rank, 2 of 4 experts each, 2 experts on a node: 32 (1 - 1 / 6) = 26.7 for each node, of 32 rows; of three
// chunks each has a third.
TEST(NodeRows, AreExpectedOfARecording) {
  const Plan plan = once_per_node(1);
  const RecordedRouting routing(plan);
  const SlotCounts& whole = routing.counts(0, 0, 0, 0, 1);
  for (int source = 0; source < 4; ++source)
    for (int node = 0; node < 2; ++node) {
      EXPECT_EQ(whole.to_node(source, node, 2), 32);
      EXPECT_EQ(whole.once(source, node), 27);
      int64_t sum = 0;
      for (int chunk = 0; chunk < 3; ++chunk) sum += routing.counts(0, 0, 0, chunk, 3).once(source, node);
      EXPECT_EQ(sum, 27);
    }
  EXPECT_EQ(routing.rows({Rows::once_sent, 0, 0}, 1, 0), 2 * 27);
  EXPECT_EQ(routing.rows({Rows::once_received, 0, 0}, 1, 0), 2 * 27);  // of ranks 1 and 3
  EXPECT_EQ(routing.rows({Rows::fanned, 0, 0}, 1, 0), 2 * 32);
}

// Two ranks of each node, three chunks: behind 3 * 4 rows per expert 3 * 2 rows per node.
TEST(NodeRows, AreAnnouncedBehindTheRowsPerExpert) {
  const Plan plan = once_per_node(3);
  ASSERT_EQ(announced_counts(plan), 18);
  std::vector<int32_t> counts;
  for (int i = 0; i < 4 * 18; ++i) counts.push_back(i);
  LiveRouting live(plan, 2);
  live.start_step();
  live.announce(0, 0, counts.data());
  for (int chunk = 0; chunk < 3; ++chunk)
    for (int source = 0; source < 4; ++source) {
      const SlotCounts& of_chunk = live.counts(0, 0)[static_cast<size_t>(chunk)];
      EXPECT_EQ(of_chunk.at(source, 3), source * 18 + chunk * 4 + 3);
      for (int node = 0; node < 2; ++node) EXPECT_EQ(of_chunk.once(source, node), source * 18 + 12 + chunk * 2 + node);
    }
  EXPECT_EQ(live.expert_rows(), (std::vector<int64_t>{120, 123, 126, 129}));  // 3 * 36 + 0 + 4 + 8, ...
}

}  // namespace
}  // namespace moesaic
