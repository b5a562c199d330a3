#pragma once
// Appends tensors, parameters and tasks of one step to a task graph. It knows shapes and names, not what a model is
// made of.

#include <string>
#include <vector>

#include "core/graph/operands.h"
#include "core/graph/task_graph.h"

namespace moesaic {

/// Where the tasks that follow belong to.
struct Scope {
  Phase phase = Phase::forward;
  int layer = -1;      // -1: outside the layers
  int moe_layer = -1;  // -1: not a MoE layer
  int microbatch = 0;
  int stage = -1;  // of the pipeline; -1: all ranks
};

/// The rows of a tensor or task: a number, the tokens of each rank, or what routing decides.
struct RowCount {
  RowCount(int64_t number) : fixed(number) {}  // not explicit: most counts are plain numbers
  RowCount(Rows kind) : rows(kind) {}
  RowCount(Rows kind, int64_t number) : rows(kind), fixed(number) {}
  Rows rows = Rows::fixed;
  int64_t fixed = 0;
};

class StepBuilder {
 public:
  explicit StepBuilder(const Plan& plan);

  const Plan& plan() const { return plan_; }
  const Model& model() const { return plan_.model; }
  bool training() const { return plan_.workload.phase == WorkloadPhase::training; }
  bool decodes() const { return plan_.workload.phase == WorkloadPhase::decode; }
  /// Of one microbatch on one rank.
  RowCount tokens() const { return {graph_.local_tokens.empty() ? Rows::fixed : Rows::local, graph_.tokens_per_rank}; }
  /// What the router sees of a microbatch on one rank, and what stands in the order of its experts there.
  RowCount routed_tokens() const { return {tokens().rows, graph_.routed_tokens()}; }
  RowCount routed_rows() const { return plan_.dispatch.gathers_tokens() ? Rows::received : Rows::sent; }
  int64_t sequences() const;  // of one microbatch on one rank; where ranks differ, the most
  DType activation_dtype() const { return activation_dtype_; }
  /// Of rows that nothing but matrix products reads: these round them to bf16 anyway, and rounding commutes with moving
  /// rows, so they are rounded where they are made.
  DType operand_dtype() const { return operand_dtype_; }
  Bytes row_bytes() const { return bytes_of(activation_dtype_, plan_.model.hidden); }

  void enter(const Scope& scope) { scope_ = scope; }
  const Scope& scope() const { return scope_; }

  /// An activation of the current microbatch.
  TensorId activation(const std::string& name, RowCount rows, int64_t row_elements);
  TensorId activation(const std::string& name, RowCount rows, int64_t row_elements, DType dtype);
  /// A tensor that lives through the step.
  TensorId resident(const std::string& name, TensorKind kind, int64_t elements, DType dtype);
  /// Tokens of the microbatch in scope, and in training their targets, which are loaded before the step.
  void declare_inputs();
  TensorId tokens_in() const { return graph_.inputs.tokens[static_cast<size_t>(scope_.microbatch)]; }
  TensorId targets_in() const { return graph_.inputs.targets[static_cast<size_t>(scope_.microbatch)]; }

  /// Declares a trainable tensor of the scope, of `elements` per rank; experts give the share of one slot, one per slot
  /// of the MoE layer. The reference is valid until the next call.
  Parameter& parameter(const std::string& name, int64_t elements, bool decay);
  void expert_parameter(const std::string& name, std::vector<Share> slot);
  /// The embedding or the head, [vocabulary, hidden]; cut by rows over the ranks of a tensor-parallel group, or whole.
  Parameter& table(const std::string& name, int parts = 1);
  /// A matrix that the ranks of a tensor-parallel group cut among themselves: the share of its first rank.
  void cut_parameter(const std::string& name, std::vector<Share> shares, bool decay);
  TensorId weight(const std::string& name) const;
  TensorId gradient(const std::string& name) const;

  /// Appends a task; the label is "layer 3 / forward / <what>", preceded by the microbatch where there are several. The
  /// reference is valid until the next call.
  Task& task(Op op, const std::string& what, const OpShape& shape, RowCount rows, const NamedOperands& reads,
             const NamedOperands& writes);

  /// Hands an activation of one stage to the next or the last one; returns what arrives there.
  TensorId send_to_stage(TensorId from, const std::string& arrived, int to_stage);

  int communicator(const std::string& name) const { return graph_.find_communicator(name); }
  /// The ranks that hold the same dense parameters: all of a pipeline's stage.
  int replicas() const { return communicator(plan_.layout.pp > 1 ? "stage" : "world"); }
  TaskGraph& graph() { return graph_; }
  const TaskGraph& graph() const { return graph_; }
  const StepInputs& inputs() const { return graph_.inputs; }

 private:
  TensorId token_input(const std::string& name);
  DType task_dtype(const Task& task) const;
  std::optional<DType> stored_weights(const Task& task) const;
  void share_tokens(const Table<int, int64_t>& tokens);

  const Plan& plan_;
  TaskGraph graph_;
  Scope scope_;
  DType activation_dtype_, operand_dtype_;
};

}  // namespace moesaic
