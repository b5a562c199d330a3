#pragma once
// The memory of one rank's tensors on its device: residents for the run, activations from their first user to their
// last. Views stand inside other tensors: the gradients of a bucket, the parameters of a group.

#include <map>
#include <span>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/runtime/residency/peak_bytes.h"

namespace moesaic::executor {

class TensorStore {
 public:
  /// Allocates every tensor that lives from the start; gradients and optimizer state are zero, weights undefined.
  TensorStore(const TaskGraph& graph, Backend& backend, int rank);
  /// For a graph with the tensors of another one, whose store must outlive this: those that live from the start are the
  /// same. What this store counts as bytes is its own activations.
  TensorStore(const TaskGraph& graph, const TensorStore& residents);
  ~TensorStore();
  TensorStore(const TensorStore&) = delete;
  TensorStore& operator=(const TensorStore&) = delete;

  Operand resident(TensorId tensor);
  /// The first bytes of a tensor that lives from the start, from or to an array of the host, behind all work of the
  /// compute lane; read() waits for it.
  void write(TensorId tensor, const void* from, Bytes bytes);
  void read(TensorId tensor, void* to, Bytes bytes);
  /// Until the compute lane has done what it was given: what other lanes do next comes behind it.
  void wait();

  /// Memory for these slots, before the first task that uses the window.
  void open_window(TensorId tensor, Lane lane, const std::vector<int>& slots);

  /// Operands of a task about to run on a lane, into `result`. Activations that do not exist yet are allocated;
  /// `counts` [num_chunks] binds routed rows.
  void operands(std::span<const TensorId> tensors, Lane lane, std::span<const SlotCounts> counts,
                const StepContext& context, std::vector<Operand>& result);
  /// After a task has been appended or has ended: releases the activations of which it was the last user in this step.
  void finish(TaskIndex task);
  /// Before the next step.
  void start_step();

  Bytes live_bytes() const { return bytes_.live(); }
  Bytes peak_bytes() const { return bytes_.peak(); }
  Backend& backend() const { return backend_; }

 private:
  TensorStore(const TaskGraph& graph, Backend& backend, int rank, const TensorStore* residents);
  void create(TensorId tensor, int64_t rows, Lane first_user);
  Operand view(TensorId tensor, Lane first_user);

  const TaskGraph& graph_;
  Backend& backend_;
  const int rank_;
  const bool borrows_;  // what lives from the start
  OfTasks<std::vector<TensorId>> memory_of_task_;
  OfTensors<Operand> operands_;                 // of views none
  OfTensors<int> users_, pending_;              // tasks that use its memory, and those still to come in this step
  OfTensors<LaneSet> lanes_;                    // of those tasks
  std::map<TensorId, std::vector<int>> slots_;  // of windows
  PeakBytes bytes_;
};

}  // namespace moesaic::executor
