#pragma once
// Seconds of the tasks of a sample under a layout, from the same cost model that the simulator asks. Contention is not
// in them: every task has its cores and ports to itself.

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/cost/cost_model.h"
#include "core/network/collective_demand.h"
#include "planner/prices/layout_rows.h"

namespace moesaic::planner {

/// What routing makes of one layout; layouts that differ in nothing that routing sees share it.
struct LayoutRouting {
  explicit LayoutRouting(const Plan& of);

  Plan plan;  // without a profile; the binding refers to it
  RoutingBinding binding;
  std::vector<int> layers;  // MoE layers that stand for all
  LayoutRows rows;

  /// Over these layers and the chunks of their rows; remembered under the key.
  Seconds mean_over_chunks(uint64_t key, int num_chunks, const std::function<Seconds(const SlotCounts&)>& price);

 private:
  std::unordered_map<uint64_t, Seconds> seconds_;
};

class TaskTimes {
 public:
  explicit TaskTimes(const Plan& documents);

  /// Of rank 0, where experts are concerned of the busiest rank: the mean over MoE layers of its seconds. [tasks]
  std::vector<Seconds> of_all(const StepSample& sample, const Plan& plan, LayoutRouting& routing);

  /// The ranks among which a task of the sample is a collective, rank 0 one of them.
  const std::vector<int>& group(const StepSample& sample, size_t task, const Plan& plan) {
    return family_of(ways(sample)[task].family, plan).groups[0];
  }

  /// Factor on computation while a collective runs beside it.
  double collective_slowdown() const { return collective_slowdown_; }

  /// A collective of `bytes` per rank among a family's first group, as communicators_of() names it.
  Seconds collective(Op op, const std::string& family, Bytes bytes, const Plan& plan);

  const Cluster& cluster() const { return cluster_; }

 private:
  /// How a task of a sample is priced, found out once.
  struct Way {
    enum class By : uint8_t { rows, routed_rows, experts, collective, all_to_all, transfer } by = By::rows;
    uint64_t number = 0;  // of its price, among all that differ
    int family = -1;      // of a collective
    int like = -1;        // an earlier task that takes as long under every layout
  };
  const std::vector<Way>& ways(const StepSample& sample);
  Way way_of(const TaskGraph& graph, const Task& task);
  Seconds compute(const Task& task, uint64_t number, int64_t rows);
  Seconds experts(const Task& task, uint64_t number, LayoutRouting& routing);
  Seconds all_to_all(const Task& task, const Way& way, const Plan& plan, LayoutRouting& routing);
  Seconds collective(Op op, int family, Bytes bytes, const Plan& plan, int layout);
  Seconds transfer(const Task& task, const Plan& plan, const LayoutRouting& routing) const;
  Seconds seconds_of(Op op, const CollectiveDemand& demand) const;
  const CommunicatorFamily& family_of(int family, const Plan& plan);
  int number_of_layout(const Plan& plan);
  template <typename Key>
  static int number_among(std::map<Key, int>& known, const Key& key) {
    return known.try_emplace(key, static_cast<int>(known.size())).first->second;
  }

  Cluster cluster_;
  CostModel cost_;
  Seconds launch_interval_;
  double collective_slowdown_;
  std::unordered_map<const StepSample*, std::vector<Way>> ways_;
  std::map<std::string, int> numbers_, families_;       // of prices and of communicator families, as they come
  std::map<std::array<int, 4>, int> layouts_;           // that differ in the groups of ranks
  std::vector<Table<int, CommunicatorFamily>> groups_;  // by number of layout
  std::unordered_map<uint64_t, Seconds> computed_;      // by number of price and rows
  std::map<std::tuple<int64_t, int, int, int>, Seconds> collectives_;  // bytes, operator, family, layout
};

}  // namespace moesaic::planner
