#pragma once
// The memory of one rank's tensors on its device: residents for the run, activations from their first user to their
// last. Gradients of one bucket stand side by side, so that a bucket is one collective without copies.

#include <span>
#include <vector>

#include "executor/backend/backend.h"

namespace moesaic::executor {

class TensorStore {
 public:
  /// Allocates every tensor that lives from the start; gradients and optimizer state are zero, weights undefined.
  TensorStore(const TaskGraph& graph, Backend& backend);
  ~TensorStore();
  TensorStore(const TensorStore&) = delete;
  TensorStore& operator=(const TensorStore&) = delete;

  Operand resident(TensorId tensor) const { return operands_[static_cast<size_t>(tensor)]; }

  /// Operands of a task about to run. Activations that do not exist yet are allocated; `counts` [num_chunks] binds
  /// routed rows.
  std::vector<Operand> operands(std::span<const TensorId> tensors, std::span<const SlotCounts> counts,
                                const StepContext& context);
  /// After a task: releases the activations of which it was the last user in this step.
  void finish(const Task& task);
  /// Before the next step.
  void start_step();

  Bytes live_bytes() const { return live_bytes_; }
  Bytes peak_bytes() const { return peak_bytes_; }

 private:
  void create(TensorId tensor, int64_t rows);

  const TaskGraph& graph_;
  Backend& backend_;
  std::vector<Operand> operands_;     // [tensors]
  std::vector<int> users_, pending_;  // [tensors]: tasks that touch it, and those still to come in this step
  std::vector<void*> owned_;          // resident allocations
  Bytes live_bytes_ = 0, peak_bytes_ = 0;
};

}  // namespace moesaic::executor
