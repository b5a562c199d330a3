#pragma once
// Predicted seconds of one MoE layer (experts, dispatch, combine) under a placement: the cost that placement minimises.
// It is a closed form over mean rows; it knows no overlap, no latency and no link that is shared by several ranks.

#include <string>
#include <vector>

#include "planner/placement/placement.h"

namespace moesaic::planner {

/// Seconds of one slot against its rows, where a line through them says too little: tiles of rows make steps.
struct SlotCurve {
  std::vector<double> rows;     // ascending, the first above 0
  std::vector<double> seconds;  // [rows], not descending
  bool operator==(const SlotCurve&) const = default;
};

struct LayerCostModel {
  double seconds_per_row = 0.0;               // expert computation of one row
  double seconds_per_active_expert = 0.0;     // weight read of one slot that has rows
  double seconds_per_remote_row_intra = 0.0;  // one row through the port of a rank, within its node
  double seconds_per_remote_row_inter = 0.0;  // one row through the port of a rank, to or from another node
  int ranks_per_node = 1;                     // divides num_ranks, or covers them all
  SlotCurve slot_curve{};                     // in place of the first two where it has points; nowhere below their line
};

/// Seconds of one slot: 0 without rows; else seconds_per_row * rows + seconds_per_active_expert, or the curve: linear
/// between its points, the first one's seconds below them, beyond the last one in proportion to the rows.
double slot_seconds(const LayerCostModel& model, double rows);

/// The rows of one layer. Each expert's column of source_rows sums to its tokens.
struct LayerLoad {
  std::vector<double> tokens;       // [num_experts], mean rows
  std::vector<double> source_rows;  // [num_ranks, num_experts], rows that a rank sends to an expert
};

LayerLoad even_sources(const std::vector<double>& tokens, int num_ranks);
LayerLoad measured_sources(const std::vector<double>& source_rows, int num_experts);

/// Why the load and the model do not fit these sizes, or "". check() throws InputError for the same reasons.
std::string refusal_of(const LayerLoad& load, const LayerCostModel& model, int num_experts, int num_ranks);
void check(const LayerLoad& load, const LayerCostModel& model, int num_experts, int num_ranks);

struct LayerSeconds {
  double compute = 0.0;
  double dispatch = 0.0;
  double combine = 0.0;

  double total() const { return compute + dispatch + combine; }
};

/// With c_e replicas of expert e, x[q][e] source rows and the sums over slots s that hold expert e(s):
///   compute  = max_r  sum_{s on r} slot_seconds(tokens[e]/c_e)
///   send_intra[q] = sum_{s on node(q), not on q} x[q][e]/c_e      send_inter[q] = sum_{s on other nodes} x[q][e]/c_e
///   recv_intra[r] = sum_{s on r} sum_{q on node(r), q != r} x[q][e]/c_e    recv_inter[r]: q on other nodes
///   dispatch = max_r max( max(send_intra, recv_intra) * seconds_per_remote_row_intra,
///                         max(send_inter, recv_inter) * seconds_per_remote_row_inter )
///   combine  = dispatch: every row returns on the path that it came, so sends and receives change places.
/// A source spreads its rows over all replicas alike, also where one is local; ports are full duplex.
LayerSeconds layer_seconds(const LayerPlacement& placement, const LayerLoad& load, const LayerCostModel& model);

}  // namespace moesaic::planner
