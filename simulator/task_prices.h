#pragma once
// Seconds of the compute and collective tasks of each rank, with a tally of what the prices stand on.
// Contention is not priced here: activities that share a core or a port slow one another down in SimGrid.

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "core/cost/cost_model.h"
#include "simulator/expert_traffic.h"
#include "simulator/platform.h"
#include "simulator/row_table.h"

namespace moesaic::simulator {

/// How a collective plays out once all its members have arrived: `delay`, then either `core_seconds` of work on every
/// member's own core, or the flows of its demand with their bytes times `scale`.
struct CollectivePrice {
  Seconds delay = 0;
  Seconds core_seconds = 0;
  double scale = 1;
};

class TaskPrices {
 public:
  /// All but the profile must outlive the prices.
  TaskPrices(const TaskGraph& graph, const Plan& plan, const Platform& platform, RowTable& rows);

  /// 0 for tasks without rows: nothing is launched for them.
  Seconds compute(TaskIndex task, int rank);
  CollectivePrice collective(Op op, const CollectiveDemand& demand);
  /// Factor on a core's compute time while flows of a collective of its rank are under way.
  double collective_slowdown() const { return collective_slowdown_; }
  /// What moving between tiers costs the core of a CPU rank: copies as regroupings, sums of gradients as additions,
  /// updates as AdamW.
  Seconds on_core(const TransferWork& work);

  /// Number of priced tasks per basis; collectives without a curve count as "alpha_beta".
  std::map<std::string, int64_t> basis() const;

 private:
  Price price_of(TaskIndex task, int64_t rows, int rank) const;

  const TaskGraph& graph_;
  const Platform& platform_;
  RowTable& rows_;
  const Plan& plan_;
  CostModel cost_;
  Seconds launch_interval_;
  double collective_slowdown_;
  std::array<int64_t, kNumBases> basis_{};  // by Basis
  int64_t alpha_beta_ = 0;
};

}  // namespace moesaic::simulator
