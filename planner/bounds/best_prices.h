#pragma once
// Prices that hold whatever a plan cuts or fuses: the least seconds per row at any size that it can have.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/cost/cost_model.h"
#include "core/network/collective_demand.h"
#include "core/plan/plan.h"

namespace moesaic::planner {

/// Prices are then bytes over the busiest port; buckets may save every latency and message.
Cluster without_latency(Cluster cluster);

class BestPrices {
 public:
  /// `documents` must outlive it.
  explicit BestPrices(const Plan& documents)
      : profile_(documents.profile),
        ports_(without_latency(documents.cluster)),
        cost_(documents.profile, documents.cluster) {}

  /// Least price of `rows` rows of a task, cut into pieces of any size up to `most` (all of them where not given).
  Seconds cut(const Task& task, double rows, int64_t most = 0);
  Seconds whole(const Task& task, int64_t rows) const { return cost_.compute(task, rows).seconds; }

  /// Of collectives that move `bytes` through the busiest member at least, in pieces of any size from `piece` on: of a
  /// measured curve where there is one, 0 without.
  Seconds on_curve(Op op, int num_ranks, bool crosses_nodes, double bytes, double piece) const;
  /// The same for sums, gathers and scatters of `bytes` per rank, without latency where no curve was measured.
  Seconds reduction(Op op, const std::vector<int>& group, Bytes bytes) const;

  /// A measured curve may beat the alpha-beta price.
  bool measured(const Task& task, const CollectiveDemand& demand) const {
    return cost_.collective_curve(task.op, static_cast<int>(demand.members.size()), demand.crosses_nodes) != nullptr;
  }
  const CostModel& cost() const { return cost_; }

 private:
  Seconds least_per_row(const Task& task, int64_t most);

  const Profile& profile_;
  Cluster ports_;
  CostModel cost_;
  std::map<std::pair<std::string, int64_t>, Seconds> memo_;
};

}  // namespace moesaic::planner
