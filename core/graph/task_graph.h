#pragma once
// The step of one plan as tasks on tensors: every rank runs the same program, with sizes that routing decides later.
// It holds no times and no data; the simulator and the executor interpret it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/graph/ids.h"
#include "core/graph/shard.h"
#include "core/operators/operator.h"
#include "core/plan/plan.h"
#include "core/routing/rows.h"

namespace moesaic {

enum class Lane : uint8_t { compute, copy_in, copy_out, network, storage, host };
inline constexpr int kNumLanes = 6;
const char* name_of(Lane lane);

enum class Phase : uint8_t { forward, backward, update };
const char* name_of(Phase phase);

/// Which experts a transfer task is about; which those are, routing and a cache decide (core/policy).
enum class Demand : uint8_t {
  none,
  predicted,  // those that had rows when the layer last ran
  missing,    // those with rows that the prediction left out
  active,     // those with rows
};

/// Whose rows per expert the host of a rank knows after a task (core/routing/live_routing.h): the counts are the last
/// that it writes, counts_made_by() in operands.h.
enum class Announces : uint8_t {
  nothing,
  group_counts,  // [sources, announced_counts()], of the expert-parallel group, whose rows the rank sends or receives
  stage_counts,  // [ranks of a stage, layers, announced_counts()], of the MoE layers that counted_layers() names
};

enum class TensorKind : uint8_t { parameter, gradient, optimizer, activation, input };

struct Tensor {
  std::string name;
  TensorKind kind = TensorKind::activation;
  DType dtype = DType::f32;
  Rows rows = Rows::fixed;
  int64_t fixed_rows = 0;
  int64_t row_elements = 0;
  int moe_layer = -1, microbatch = -1;  // which routing binds the rows
  int chunk = 0, num_chunks = 1;
  TensorId view_of = -1;    // no memory of its own: elements of that tensor from view_offset on, rows as far apart
  int64_t view_offset = 0;  // elements
  Tier tier = Tier::device;
  int view_communicator = -1;  // given: the share of this rank, its position in the group times the view's elements on
};

struct Task {
  std::string label;  // "layer 3 / forward / dispatch / chunk 1"
  Op op = Op::add;
  Lane lane = Lane::compute;
  Phase phase = Phase::forward;
  int layer = -1, moe_layer = -1, microbatch = 0;
  int chunk = 0, num_chunks = 1;
  Rows rows = Rows::fixed;
  int64_t fixed_rows = 0;
  OpShape shape;
  DType dtype = DType::f32;
  std::optional<DType> stored_dtype;  // of weights, cached keys and values, or an update's gradients; none: in dtype
  Leg leg = Leg::none;
  Regroup regroup = Regroup::none;
  Demand demand = Demand::none;
  Announces announces = Announces::nothing;
  int stage = -1;           // of the pipeline whose ranks run it; -1: all
  int other_stage = -1;     // a second one; between stages the one that receives
  int communicator = -1;    // index into TaskGraph::communicators; -1: no communication
  int sequence = -1;        // order among the tasks of that communicator, from 0
  Bytes bytes = 0;          // fixed-size collectives: contribution of one rank
  Bytes bytes_per_row = 0;  // all-to-all; reductions of windows
  std::vector<TensorId> reads, writes;
  std::vector<TensorId> after;          // must be written before the task may start; no operands
  std::vector<TaskIndex> dependencies;  // earlier tasks of the same rank; filled by link_dependencies()
};

inline StoredAs stored_as(const Task& task) { return {task.dtype, task.stored_dtype.value_or(task.dtype)}; }

/// A family of disjoint groups; a rank belongs to exactly one of them.
struct CommunicatorFamily {
  std::string name;                     // "world", "ep", "expert_dp", "node", "rail", "tp", "dp"
  Table<int, std::vector<int>> groups;  // members in rank order
  Table<int, int> group_of_rank;        // [ranks]
};

/// A trainable tensor: its weights, gradient and optimizer state.
struct Parameter {
  std::string name;  // "layers.3.qkv", "layers.3.experts.up"
  TensorId weight = -1, gradient = -1, moments = -1;
  int64_t elements = 0;       // per rank
  int layer = -1;             // -1: outside the layers
  int stage = -1;             // of the pipeline; -1: there is none
  int other_stage = -1;       // a tied embedding: the last one
  int moe_layer = -1;         // experts: which placement says what the slots hold
  int64_t slot_elements = 0;  // experts: elements of one slot
  bool decay = true;
  Tier home = Tier::device;   // where weights and moments live between uses; device: in the tensors above
  int replicas = -1;          // communicator whose members hold the same elements
  int partition = -1;         // communicator over which the logical tensor is cut; -1: whole (experts: by slot)
  std::vector<Share> shares;  // what this rank holds of the logical tensor (shard.h); experts: in one slot
};

/// Parameters whose memory is one stretch, the fused unit of communication, cut evenly over the members of a
/// communicator (ZeRO, arXiv 1910.02054). Parameter i stands at offsets[i]; padded to a multiple of 16 per member.
struct ParameterGroup {
  int communicator = -1;
  int64_t elements = 0;
  std::vector<int> parameters;   // indices into TaskGraph::parameters
  std::vector<int64_t> offsets;  // [parameters]
  TensorId weight_share = -1;    // what AdamW updates: [elements / members]
  TensorId moments = -1;         // [2, elements / members]
  bool shares_weights = false;   // weights live as shares only (ZeRO-3)
};

/// What a rank loads before a step, and reads behind it. -1, empty: this step has none.
struct StepInputs {
  std::vector<TensorId> tokens, targets;  // [micro_batches]: one integer per token; targets: training
  TensorId loss = -1;       // training: doubles of two f32 words each: cross-entropy and auxiliary, added to, and where
                            // gradients are clipped the sum of their squares, as ExactSquares::words()
  TensorId task_rows = -1;  // models that route by task: rows of each slot of this rank, as integers
};

struct TaskGraph {
  int num_ranks = 1;
  int num_stages = 1;                // of the pipeline: equally many consecutive ranks each
  int64_t tokens_per_rank = 0;       // of one microbatch; where ranks differ, of the rank with most
  Table<int, int64_t> local_tokens;  // [ranks]: tokens of each rank; empty: tokens_per_rank everywhere
  int num_chunks = 1;                // of every MoE layer
  int gathered_sources = 1;          // whose tokens the router of a rank sees, as many of each; 1: its own
  OfTasks<Task> tasks;               // program order: the order in which each lane runs them
  OfTensors<Tensor> tensors;
  Table<int, CommunicatorFamily> communicators;
  Table<int, Parameter> parameters;
  Table<int, ParameterGroup> groups;      // empty: every rank updates all elements that it holds
  Table<int, ExpertPlacement> placement;  // [num_moe_layers]
  StepInputs inputs;
  int expert_slices = 1;  // placement counts slices: e * expert_slices + i is slice i of expert e

  TensorId add(Tensor tensor);

  const std::vector<int>& group(int communicator, int rank) const;
  int find_communicator(const std::string& name) const;  // -1 when absent
  int position(int communicator, int rank) const;        // of the rank in its group
  int64_t tokens_of(int rank) const { return local_tokens.empty() ? tokens_per_rank : local_tokens[rank]; }
  int64_t routed_tokens() const { return gathered_sources * tokens_per_rank; }
  /// Of the tokens that a router sees, those that it counts and places apart: chunks, or sources.
  int router_parts() const { return num_chunks * gathered_sources; }
  int stage_of(int rank) const { return rank / (num_ranks / num_stages); }
  /// Rows that one rank sends another on a leg that is not routed.
  int64_t rows_between(Leg leg, int from, int to) const;
  /// The tensor whose memory holds this one: itself, unless it is a view. Views of views do not exist.
  TensorId base_of(TensorId tensor) const {
    const TensorId base = tensors[tensor].view_of;
    return base < 0 ? tensor : base;
  }
};

/// Derives every task's dependencies from reads and writes (read after write, write after read, write after write) in
/// program order, and numbers the collectives of each communicator. A view conflicts with its base, not with other
/// views. A task of several stages depends on tasks of each; a rank waits for those that it runs. Call after the last
/// rewrite.
void link_dependencies(TaskGraph& graph);

}  // namespace moesaic
