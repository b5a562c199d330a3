#pragma once
// Seconds of the compute and collective tasks of each rank, with a tally of what the prices stand on.
// Contention is not priced here: activities that share a core or a port slow one another down in the engine.

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
  int basis = -1;  // as in ComputePrice; alpha-beta is kNumBases
};

/// Of a task on a core.
struct ComputePrice {
  Seconds seconds = 0;  // 0: it has no rows, nothing is launched for it
  int basis = -1;       // a Basis; -1: nothing was priced
};

class TaskPrices {
 public:
  /// All but the profile must outlive the prices.
  TaskPrices(const TaskGraph& graph, const Plan& plan, const Platform& platform, RowTable& rows);

  /// Tasks of one kind cost a rank the same: they have the same method and rows. -1: it is no task for a core.
  int32_t kind_of(TaskIndex task) const { return kind_of_task_[task]; }
  int32_t num_kinds() const { return static_cast<int32_t>(first_of_kind_.size()); }
  ComputePrice compute(int32_t kind, int rank) const;
  CollectivePrice collective(Op op, const CollectiveDemand& demand) const;
  /// Factor on a core's compute time while flows of a collective of its rank are under way.
  double collective_slowdown() const { return collective_slowdown_; }
  /// What moving between tiers costs the core of a CPU rank: copies as regroupings, sums of gradients as additions,
  /// updates as AdamW.
  Seconds on_core(const TransferWork& work);

  /// So many tasks stand on this.
  void count(int basis, int64_t tasks) {
    if (basis >= 0) basis_[static_cast<size_t>(basis)] += tasks;
  }
  /// Number of counted tasks per basis; collectives without a curve count as "alpha_beta".
  std::map<std::string, int64_t> basis() const;

 private:
  void number_kinds();
  Price price_of(TaskIndex task, int64_t rows, int rank) const;

  const TaskGraph& graph_;
  const Platform& platform_;
  RowTable& rows_;
  const Plan& plan_;
  CostModel cost_;
  Seconds launch_interval_;
  double collective_slowdown_;
  OfTasks<int32_t> kind_of_task_;
  std::vector<TaskIndex> first_of_kind_;
  std::vector<int32_t> routing_of_kind_;        // of experts; -1: none
  std::array<int64_t, kNumBases + 1> basis_{};  // by Basis, then alpha-beta
};

}  // namespace moesaic::simulator
