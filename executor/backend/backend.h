#pragma once
// The seam between the runtime and a kind of device: memory, launches, copies and events on lanes. Asynchronous by
// contract: what appends work to a lane may return before the work is done. It knows nothing of ranks' messages
// (Communicator) or of task order (runtime).

#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "core/graph/holdings.h"
#include "core/graph/task_graph.h"
#include "core/routing/slot_counts.h"
#include "core/schema/exact_squares.h"
#include "executor/backend/lane_set.h"

namespace moesaic::executor {

/// What the owner of a step says of its updates.
struct UpdateDecision {
  bool skip = false;         // AdamW changes nothing and only clears gradients
  float gradient_scale = 1;  // what AdamW multiplies gradients with
};

/// What every launch of one rank's step shares.
struct StepContext {
  const TaskGraph* graph = nullptr;
  const Plan* plan = nullptr;
  int rank = 0;
  int64_t step = 0;                                   // from 0: so many updates have been done, or skipped by all
  int64_t run = 0;                                    // from 0, alike on all ranks: of this graph in this job
  OfTensors<std::vector<UpdateRange>> update_ranges;  // of weights that AdamW updates
  UpdateDecision update;                              // known when updates begin

  int position() const { return rank % plan->layout.ep; }  // in the expert-parallel group
  int group_first_rank() const { return rank - position(); }
  int ranks_per_node() const { return std::min(plan->cluster.devices_per_node, plan->layout.ep); }  // inside that group
  int64_t step_tokens() const {  // of one microbatch over all ranks of a pipeline stage
    if (graph->local_tokens.empty()) return graph->tokens_per_rank * plan->layout.stage_ranks();
    return std::accumulate(graph->local_tokens.begin(), graph->local_tokens.end(), int64_t{0});
  }
};
StepContext make_step_context(const TaskGraph& graph, const Plan& plan, int rank);

/// A tensor's memory on the device.
struct Operand {
  TensorId tensor = -1;
  void* data = nullptr;
  int64_t rows = 0;
  int64_t row_elements = 0;
  DType dtype = DType::f32;
  std::span<const int> slots = {};  // of a window: the expert slot that each row holds
  int64_t row_stride = 0;           // elements from one row to the next; 0: nothing stands between them

  template <typename Element>
  Element* as() const {
    return static_cast<Element*>(data);
  }
  float* f32() const { return as<float>(); }
  int32_t* i32() const { return as<int32_t>(); }
  int64_t elements() const { return rows * row_elements; }
  Bytes bytes() const { return bytes_of(dtype, elements()); }
};

struct Launch {
  const Task& task;
  std::span<const Operand> reads, writes;  // in the order of the task (core/operators)
  std::span<const SlotCounts>
      counts;  // [num_chunks] of the task's microbatch and MoE layer; empty before they are known
  const StepContext& context;

  const SlotCounts& chunk_counts() const { return counts[static_cast<size_t>(task.chunk)]; }
};

/// A point on a lane. Events of one backend are numbered upwards.
using Event = int64_t;

/// An element whose square is not finite in f32; operand -1: there is none.
struct NonFinite {
  int operand = -1;
  int64_t element = -1;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;
  /// True where device memory is host memory and work has ended when the call that appends it returns.
  virtual bool runs_inline() const { return false; }
  /// As its maker calls the device; "": the host's CPU.
  virtual std::string device_name() const { return ""; }
  /// Of a device that plays a slower one: how long its launches have slept so far, so that nobody takes it for time
  /// that the core gave to other work.
  virtual Seconds slept() const { return 0; }
  /// Of a device with memory of its own: that memory and the cache before it; 0: the host's.
  virtual Bytes memory_bytes() const { return 0; }
  virtual Bytes cache_bytes() const { return 0; }

  /// Device memory; throws DeviceError naming the bytes when there is none left. Contents are undefined. `first_user`
  /// is the lane whose work uses it first: that lane waits for whatever still uses memory that was released.
  virtual void* allocate(Bytes bytes, Lane first_user = Lane::compute) = 0;
  /// Also while lanes still use it. `users`: those that have been given work with it; for no other is anybody to wait.
  virtual void release(void* data, LaneSet users = LaneSet::all()) = 0;
  /// Host memory that copies reach at full speed, as far as there is such memory. Released after its copies are done.
  virtual void* allocate_host(Bytes bytes) = 0;
  virtual void release_host(void* data) = 0;

  /// Appends an operator to the task's lane.
  virtual void launch(const Launch& launch) = 0;
  /// Appends a copy to a lane. Host memory and device memory may each be source or destination; host memory of
  /// allocate_host() must stay as it is until the copy is done, other host memory only until this returns.
  virtual void copy(Lane lane, void* to, const void* from, Bytes bytes) = 0;
  /// Appends: all bytes become zero.
  virtual void clear(Lane lane, void* data, Bytes bytes) = 0;
  /// The first element, in the order of the operands, whose square is not finite, behind all work of the compute lane.
  /// Waits for the answer. `squares`, where given, gains those of all elements, unless there is such a one.
  virtual NonFinite find_non_finite(std::span<const Operand> operands, ExactSquares* squares) = 0;

  /// An event behind everything on the lane so far; done() never blocks; wait_for() makes a lane wait for an event of
  /// another one.
  virtual Event record(Lane lane) = 0;
  virtual bool done(Event event) = 0;
  virtual void wait_for(Lane lane, Event event) = 0;

  /// `*at` becomes the time, by the host's steady clock, at which the lane passes this point; it is written by settle()
  /// at the latest.
  virtual void mark(Lane lane, Seconds* at) = 0;
  /// Waits until all lanes have passed everything.
  virtual void settle() = 0;

  /// Until end_capture() the compute lane's launches and copies are noted down instead of run; marks are left out,
  /// nobody may wait, and memory comes from what was released before. False: this device cannot.
  virtual bool begin_capture() { return false; }
  virtual void end_capture() {}
  /// Appends what was captured to the compute lane. What was allocated and released meanwhile stays with it.
  virtual void replay() {}
};

}  // namespace moesaic::executor
