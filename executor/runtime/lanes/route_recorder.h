#pragma once
// What the routers of a step chose for this rank's tokens, on its way to the host and kept until the step has ended.
// It asks for routes, which stay where they are, and changes none.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/graph/task_graph.h"
#include "core/plan/plan.h"
#include "executor/backend/host_memory.h"

namespace moesaic::executor {

/// [micro_batches, num_moe_layers, tokens, top_k]
struct StepChoices {
  static constexpr int32_t kElsewhere = -2;  // the layer is another stage's; below RoutingChoices::kDropped

  std::vector<int32_t> experts;
  std::vector<float> weights;  // of them, as the router gives them to unpermute; 0 where dropped or not finite
};

class RouteRecorder {
 public:
  /// `graph` must outlive it. Records nothing below RoutingForm::choices, and weights with scores alone.
  RouteRecorder(Backend& backend, const TaskGraph& graph, const Plan& plan, int rank, RoutingForm form);

  bool records(const Task& task) const;
  /// Appends the copy of what a router has made, the whole route of all tokens that it sees, to its lane.
  void fetch(const Task& task, const Operand& route);
  /// After the backend has settled: all that was fetched since the last call; nothing where nothing is recorded.
  StepChoices take();

 private:
  struct Fetched {
    int64_t first;  // index of its first choice among the step's
    HostMemory experts;
    std::optional<HostMemory> weights;
  };
  HostMemory copied(Lane lane, const Operand& route, int64_t first) const;

  Backend& backend_;
  const RoutingForm form_;
  const int64_t layers_, micro_batches_;
  const int64_t choices_;       // of a router for this rank's tokens
  const int64_t all_choices_;   // of a router
  const int64_t first_choice_;  // of this rank's tokens among them
  std::vector<Fetched> fetched_;
};

}  // namespace moesaic::executor
