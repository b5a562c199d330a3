#pragma once
// What the transfer tasks of each rank move between device, host memory and storage: the state machine of core/policy,
// fed with the routing of the plan instead of a live router. It prices nothing.

#include <vector>

#include "core/graph/routing_binding.h"
#include "core/policy/expert_residency.h"
#include "core/policy/moved_bytes.h"

namespace moesaic::simulator {

/// Of one transfer task of one rank.
struct TransferWork {
  MovedBytes moved;
  int64_t updated_elements = 0, checked_elements = 0;
};

class ExpertTraffic {
 public:
  /// `graph` and `plan` must outlive it. The cache is warmed up with the three steps before `step` (where there are
  /// none, with those behind it), of a recorded routing with up to a hundred, so that a step is priced as one of many.
  ExpertTraffic(const TaskGraph& graph, const Plan& plan, int64_t step);

  /// To be asked once per transfer task and rank, per lane in program order.
  TransferWork of(TaskIndex task, int rank);

 private:
  void warm_up(int rank);
  TransferWork move(const Task& task, int rank, int64_t step);
  std::vector<int> active_slots(const Task& task, int rank, int64_t step) const;

  const TaskGraph& graph_;
  const Plan& plan_;
  const int64_t step_;
  RoutingBinding binding_;
  int64_t slot_weights_ = 0;                  // elements of one expert slot
  Bytes weight_bytes_ = 0, block_bytes_ = 0;  // of one expert slot: on the device; all states
  std::vector<ExpertResidency> ranks_;
  std::vector<std::vector<int>>
      brought_;  // [tasks of one rank at a time]: slots that a load has brought, by its signal
};

}  // namespace moesaic::simulator
