#pragma once
// Starts the collective of a task on its communicator. Sizes come from the rows per slot, which all members know.

#include <memory>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/comm/communicator.h"

namespace moesaic::executor {

class Collectives {
 public:
  /// One communicator per family of the graph, for the group of this rank.
  Collectives(const TaskGraph& graph, Transport& transport, int rank);

  std::unique_ptr<Operation> start(const Launch& launch);

  /// A communicator of all ranks outside the graph's order: step barriers and results.
  Communicator& control() { return *control_; }

 private:
  std::unique_ptr<Operation> all_to_all(const Launch& launch, Communicator& communicator, int64_t sequence);
  std::unique_ptr<Operation> all_reduce(const Launch& launch, Communicator& communicator, int64_t sequence);

  const TaskGraph& graph_;
  std::vector<std::unique_ptr<Communicator>> communicators_;  // [families]
  std::vector<int64_t> per_step_;                             // [families]: collectives in one step
  std::unique_ptr<Communicator> control_;
};

}  // namespace moesaic::executor
