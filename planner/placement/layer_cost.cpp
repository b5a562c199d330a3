#include "planner/placement/layer_cost.h"

#include <algorithm>
#include <cmath>

#include "core/schema/error.h"

namespace moesaic::planner {
namespace {

bool counts_rows(double rows) { return std::isfinite(rows) && rows >= 0.0; }

bool is_curve(const SlotCurve& curve) {
  if (curve.rows.size() != curve.seconds.size()) return false;
  for (std::size_t i = 0; i < curve.rows.size(); ++i) {
    const double rows_before = i > 0 ? curve.rows[i - 1] : 0.0, seconds_before = i > 0 ? curve.seconds[i - 1] : 0.0;
    if (!(curve.rows[i] > rows_before) || !(curve.seconds[i] >= seconds_before)) return false;
    if (!counts_rows(curve.rows[i]) || !counts_rows(curve.seconds[i])) return false;
  }
  return true;
}

double slowest_compute(const LayerPlacement& placement, const LayerLoad& load, const LayerCostModel& model) {
  const std::vector<int> counts = replica_counts(placement);
  std::vector<double> seconds(placement.num_ranks, 0.0);
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    const int expert = placement.slot_to_expert[slot];
    seconds[placement.rank_of(slot)] += slot_seconds(model, load.tokens[expert] / counts[expert]);
  }
  return *std::max_element(seconds.begin(), seconds.end());
}

double busiest_port(const LayerPlacement& placement, const LayerLoad& load, const LayerCostModel& model) {
  const std::vector<int> counts = replica_counts(placement);
  std::vector<double> send_intra(placement.num_ranks, 0.0), send_inter(send_intra);
  std::vector<double> recv_intra(send_intra), recv_inter(send_intra);
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    const int expert = placement.slot_to_expert[slot];
    const int rank = placement.rank_of(slot);
    for (int source = 0; source < placement.num_ranks; ++source) {
      if (source == rank) continue;
      const double rows = load.source_rows[source * placement.num_experts + expert] / counts[expert];
      const bool same_node = source / model.ranks_per_node == rank / model.ranks_per_node;
      (same_node ? send_intra : send_inter)[source] += rows;
      (same_node ? recv_intra : recv_inter)[rank] += rows;
    }
  }
  double busiest = 0.0;
  for (int rank = 0; rank < placement.num_ranks; ++rank) {
    busiest = std::max({busiest, std::max(send_intra[rank], recv_intra[rank]) * model.seconds_per_remote_row_intra,
                        std::max(send_inter[rank], recv_inter[rank]) * model.seconds_per_remote_row_inter});
  }
  return busiest;
}

}  // namespace

LayerLoad even_sources(const std::vector<double>& tokens, int num_ranks) {
  LayerLoad load{tokens, {}};
  for (int source = 0; source < num_ranks; ++source) {
    for (const double rows : tokens) load.source_rows.push_back(rows / num_ranks);
  }
  return load;
}

LayerLoad measured_sources(const std::vector<double>& source_rows, int num_experts) {
  LayerLoad load{std::vector<double>(num_experts, 0.0), source_rows};
  for (std::size_t i = 0; i < source_rows.size(); ++i) load.tokens[i % num_experts] += source_rows[i];
  return load;
}

double slot_seconds(const LayerCostModel& model, double rows) {
  if (rows == 0.0) return 0.0;
  const auto& [at, seconds] = model.slot_curve;
  if (at.empty()) return rows * model.seconds_per_row + model.seconds_per_active_expert;
  const auto above = static_cast<std::size_t>(std::lower_bound(at.begin(), at.end(), rows) - at.begin());
  if (above == 0) return seconds.front();
  if (above == at.size()) return seconds.back() * (rows / at.back());
  const double share = (rows - at[above - 1]) / (at[above] - at[above - 1]);
  return seconds[above - 1] + share * (seconds[above] - seconds[above - 1]);
}

std::string refusal_of(const LayerLoad& load, const LayerCostModel& model, int num_experts, int num_ranks) {
  if (!is_curve(model.slot_curve)) return "a slot's curve must have ascending rows and seconds that do not descend";
  for (const double seconds : {model.seconds_per_row, model.seconds_per_active_expert,
                               model.seconds_per_remote_row_intra, model.seconds_per_remote_row_inter}) {
    if (!counts_rows(seconds)) return "the seconds of the cost model must be finite and not negative";
  }
  if (model.ranks_per_node < 1 || (model.ranks_per_node < num_ranks && num_ranks % model.ranks_per_node != 0)) {
    return "ranks_per_node must divide the number of ranks or cover them all";
  }
  if (load.tokens.size() != static_cast<std::size_t>(num_experts)) return "one token count per expert is needed";
  if (load.source_rows.size() != load.tokens.size() * static_cast<std::size_t>(num_ranks)) {
    return "source_rows must be [num_ranks, num_experts]";
  }
  std::vector<double> sums(num_experts, 0.0);
  for (std::size_t i = 0; i < load.source_rows.size(); ++i) {
    if (!counts_rows(load.source_rows[i])) return "source rows must be finite and not negative";
    sums[i % num_experts] += load.source_rows[i];
  }
  for (int expert = 0; expert < num_experts; ++expert) {
    if (!counts_rows(load.tokens[expert])) return "token counts must be finite and not negative";
    // The sum over sources is rounded once per rank; a larger gap means that the two were measured apart.
    if (std::abs(sums[expert] - load.tokens[expert]) > 1e-9 * load.tokens[expert]) {
      return "source rows of expert " + std::to_string(expert) + " do not sum to its tokens";
    }
  }
  return "";
}

void check(const LayerLoad& load, const LayerCostModel& model, int num_experts, int num_ranks) {
  const std::string refusal = refusal_of(load, model, num_experts, num_ranks);
  if (refusal.empty()) return;
  throw InputError("expert load", "", refusal, "tokens [num_experts], source_rows [num_ranks, num_experts]",
                   "build the load with even_sources() or measured_sources()");
}

LayerSeconds layer_seconds(const LayerPlacement& placement, const LayerLoad& load, const LayerCostModel& model) {
  const double port = busiest_port(placement, load, model);
  return {slowest_compute(placement, load, model), port, port};
}

}  // namespace moesaic::planner
