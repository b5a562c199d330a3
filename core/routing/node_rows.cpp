#include "core/routing/node_rows.h"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

/// Coefficients of 0 to top_k choices, [top_k + 1].
using Choices = std::vector<double>;

/// What the experts of a group contribute; reach, where given, of the choices that are left out.
Choices of_experts(std::span<const double> p, std::span<const double> reach, int64_t top_k) {
  Choices chosen(static_cast<size_t>(top_k) + 1, 0.0);
  chosen[0] = 1;
  for (size_t e = 0; e < p.size(); ++e) {
    const double kept = reach.empty() ? p[e] : p[e] * (1 - reach[e]);
    for (size_t k = chosen.size() - 1; k > 0; --k) chosen[k] = chosen[k] * (1 - p[e]) + chosen[k - 1] * kept;
    chosen[0] *= 1 - p[e];
  }
  return chosen;
}

/// [y][x]: x choices in y groups, each of which has one at least; all but the group `but`.
std::vector<Choices> over_groups(const std::vector<Choices>& groups, const std::vector<double>& weights, int64_t most,
                                 size_t but) {
  std::vector<Choices> sum(static_cast<size_t>(most) + 1, Choices(groups[0].size(), 0.0));
  sum[0][0] = 1;
  for (size_t g = 0; g < groups.size(); ++g)
    for (size_t y = g == but ? 0 : sum.size() - 1; y > 0; --y)
      for (size_t x = 1; x < groups[g].size(); ++x)
        for (size_t own = 1; own <= x; ++own) sum[y][x] += weights[g] * groups[g][own] * sum[y - 1][x - own];
  return sum;
}
constexpr auto kAll = static_cast<size_t>(-1);

/// Of one source's tokens and their choices, in groups or not.
class Sampling {
 public:
  explicit Sampling(const TokenChoices& c) : c_(c), size_(c.expert_rows.size() / static_cast<size_t>(c.groups)) {
    const double scale = static_cast<double>(c.groups) / static_cast<double>(c.groups_per_token * c.tokens);
    for (const int64_t rows : c.expert_rows) p_.push_back(std::min(1.0, static_cast<double>(rows) * scale));
    weights_.assign(static_cast<size_t>(c.groups), 1.0);
    if (limited()) weigh_groups();
  }

  /// The coefficient of top_k choices in groups_per_token groups.
  double coefficient(std::span<const double> reach) const {
    if (!limited()) return of_experts(p_, reach, c_.top_k).back();
    return over_groups(of_groups(reach), weights_, c_.groups_per_token, kAll).back().back();
  }

 private:
  bool limited() const { return c_.groups_per_token < c_.groups; }

  std::vector<Choices> of_groups(std::span<const double> reach) const {
    std::vector<Choices> groups;
    for (size_t first = 0; first < p_.size(); first += size_)
      groups.push_back(of_experts(std::span(p_).subspan(first, size_),
                                  reach.empty() ? reach : reach.subspan(first, size_), c_.top_k));
    return groups;
  }

  /// So that each group has its rows: iterative proportional fitting.
  void weigh_groups() {
    constexpr int kRounds = 10;         // of steps that shrink: more change the fourth digit
    constexpr double kSettled = 0.001;  // relative, of rows
    const std::vector<Choices> groups = of_groups({});
    bool settled = false;
    for (int round = 0; round < kRounds && !settled; ++round) {
      settled = true;
      for (size_t g = 0; g < groups.size(); ++g) {
        const double factor = correction(groups, g);
        weights_[g] *= factor;
        settled = settled && std::abs(factor - 1) < kSettled;
      }
    }
  }

  double correction(const std::vector<Choices>& groups, size_t g) const {
    const std::vector<Choices> others = over_groups(groups, weights_, c_.groups_per_token, g);
    const auto most = static_cast<size_t>(c_.top_k);
    double rows = 0, all = others.back().back();
    for (size_t own = 1; own <= most; ++own) {
      const double with = weights_[g] * groups[g][own] * others[others.size() - 2][most - own];
      rows += static_cast<double>(own) * with, all += with;
    }
    double wanted = 0;
    for (size_t e = g * size_; e < (g + 1) * size_; ++e) wanted += static_cast<double>(c_.expert_rows[e]);
    wanted /= static_cast<double>(c_.tokens);
    return rows > 0 && wanted > 0 ? wanted * all / rows : 1;
  }

  const TokenChoices& c_;
  const size_t size_;  // of a group
  std::vector<double> p_, weights_;
};

}  // namespace

std::vector<double> expected_node_rows(const TokenChoices& c, const std::vector<std::vector<double>>& reach) {
  if (c.tokens == 0) return std::vector<double>(reach.size(), 0.0);
  const auto tokens = static_cast<double>(c.tokens);
  const Sampling sampling(c);
  const double all = sampling.coefficient({});
  std::vector<double> rows;
  for (const std::vector<double>& of_node : reach) {
    double none = all > 0 ? sampling.coefficient(of_node) / all : 1;
    for (size_t e = 0; all == 0 && e < of_node.size(); ++e)  // no token could choose so: drawn or rescaled rows
      none *= 1 - std::min(1.0, static_cast<double>(c.expert_rows[e]) / tokens) * of_node[e];
    rows.push_back(tokens * (1 - none));
  }
  return rows;
}

std::vector<std::vector<double>> reach_of_nodes(const ExpertPlacement& placement, int num_experts, int slices,
                                                int nodes) {
  const std::vector<int>& held = placement.slot_to_expert;
  std::vector<std::vector<double>> reach(static_cast<size_t>(nodes), std::vector<double>(num_experts, 0.0));
  std::vector<int> replicas(static_cast<size_t>(num_experts * slices), 0), seen = replicas;
  for (const int slice : held)
    if (slice >= 0) ++replicas[static_cast<size_t>(slice)];
  struct Part {
    int node, expert;
    double begin, end;
    auto operator<=>(const Part&) const = default;
  };
  std::vector<Part> parts;
  for (size_t slot = 0; slot < held.size(); ++slot) {
    if (held[slot] < 0) continue;
    const auto slice = static_cast<size_t>(held[slot]);
    const double of = replicas[slice], replica = seen[slice]++;
    parts.push_back({static_cast<int>(slot * static_cast<size_t>(nodes) / held.size()), held[slot] / slices,
                     replica / of, (replica + 1) / of});
  }
  std::sort(parts.begin(), parts.end());
  double covered = 0;  // of the rows of one expert, by slots of one node
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    if (i == 0 || part.node != parts[i - 1].node || part.expert != parts[i - 1].expert) covered = 0;
    const double begin = std::max(covered, part.begin);
    if (part.end > begin) {
      reach[static_cast<size_t>(part.node)][static_cast<size_t>(part.expert)] += part.end - begin;
      covered = part.end;
    }
  }
  return reach;
}

}  // namespace moesaic
