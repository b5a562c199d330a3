#include "core/blocks/step_builder.h"

#include <algorithm>

#include "core/graph/communicators.h"
#include "core/operators/collectives.h"
#include "core/routing/routing_rules.h"
#include "core/schema/error.h"
#include "core/schema/exact_squares.h"

namespace moesaic {
namespace {

using operands::Collective;

int64_t elements_of(const std::vector<Share>& shares) {
  int64_t elements = 0;
  for (const Share& share : shares) elements += share.piece.elements();
  return elements;
}

/// StepInputs::loss: doubles of two f32 words each.
int64_t loss_words(const Optimizer& optimizer) {
  return 2 * (2 + (optimizer.clips() ? static_cast<int64_t>(ExactSquares::kWords) : 0));
}

}  // namespace

StepBuilder::StepBuilder(const Plan& plan)
    : plan_(plan),
      activation_dtype_(plan.cluster.device.lanes_share_core ? DType::f32 : plan.workload.compute_dtype),
      operand_dtype_(plan.workload.compute_dtype == DType::bf16 ? DType::bf16 : activation_dtype_) {
  const Layout& layout = plan.layout;
  graph_.num_ranks = layout.ranks;
  graph_.num_stages = layout.pp;
  const RoutingRules rules(plan);
  share_tokens(rules.tokens);
  graph_.placement = rules.placement;
  if (plan.dispatch.gathers_tokens()) graph_.gathered_sources = rules.num_sources();
  graph_.communicators = communicators_of(layout, plan.cluster, plan.elastic);
  graph_.expert_slices = layout.expert_slices;
  if (plan.model.routed_by_task)
    graph_.inputs.task_rows =
        resident("task_rows", TensorKind::input, graph_.placement.at(0).slots_per_rank, DType::i32);
  if (training())
    graph_.inputs.loss = resident("loss", TensorKind::input, loss_words(plan.workload.optimizer), DType::f32);
}

void StepBuilder::share_tokens(const Table<int, int64_t>& tokens) {
  graph_.tokens_per_rank = *std::max_element(tokens.begin(), tokens.end());
  if (*std::min_element(tokens.begin(), tokens.end()) < graph_.tokens_per_rank) graph_.local_tokens = tokens;
}

int64_t StepBuilder::sequences() const { return graph_.tokens_per_rank / plan_.workload.tokens_per_sequence(); }

TensorId StepBuilder::activation(const std::string& name, RowCount rows, int64_t row_elements) {
  return activation(name, rows, row_elements, activation_dtype_);
}

TensorId StepBuilder::activation(const std::string& name, RowCount rows, int64_t row_elements, DType dtype) {
  return graph_.add(
      {name, TensorKind::activation, dtype, rows.rows, rows.fixed, row_elements, scope_.moe_layer, scope_.microbatch});
}

TensorId StepBuilder::resident(const std::string& name, TensorKind kind, int64_t elements, DType dtype) {
  return graph_.add({name, kind, dtype, Rows::fixed, 1, elements});
}

void StepBuilder::declare_inputs() {
  const std::string suffix = "." + std::to_string(scope_.microbatch);
  graph_.inputs.tokens.push_back(token_input("tokens" + suffix));
  if (training()) graph_.inputs.targets.push_back(token_input("targets" + suffix));
}

TensorId StepBuilder::token_input(const std::string& name) {
  return graph_.add({name, TensorKind::input, DType::i32, tokens().rows, tokens().fixed, 1, -1, scope_.microbatch});
}

Parameter& StepBuilder::parameter(const std::string& name, int64_t elements, bool decay) {
  Parameter parameter;
  parameter.name = name;
  parameter.elements = elements;
  parameter.layer = scope_.layer;
  parameter.decay = decay;
  parameter.stage = scope_.stage;
  parameter.replicas = replicas();
  parameter.shares = {{{name, 0, 0, 0, 0, elements, 1}, 0}};
  parameter.weight =
      resident(name, TensorKind::parameter, elements, training() ? activation_dtype_ : model().weight_dtype);
  if (training()) {
    parameter.gradient = resident(name + ".gradient", TensorKind::gradient, elements, activation_dtype_);
    // Both moments, and a master copy of weights that are not f32 themselves: 16 bytes per parameter in all (SE-MoE
    // section 3.2.1).
    parameter.moments = resident(name + ".moments", TensorKind::optimizer,
                                 elements * (activation_dtype_ == DType::f32 ? 2 : 3), DType::f32);
  }
  return graph_.parameters.emplace_back(std::move(parameter));
}

void StepBuilder::cut_parameter(const std::string& name, std::vector<Share> shares, bool decay) {
  Parameter& added = parameter(name, elements_of(shares), decay);
  added.shares = std::move(shares);
  if (plan_.layout.tp == 1) return;
  added.partition = communicator("tp");
  added.replicas = communicator("dp");
}

void StepBuilder::expert_parameter(const std::string& name, std::vector<Share> slot) {
  const int moe_layer = scope_.moe_layer;
  const DType dense_dtype = model().weight_dtype;
  const int64_t slot_elements = elements_of(slot);
  const int64_t slots = graph_.placement[moe_layer].slots_per_rank;
  Parameter& added = parameter(name, slot_elements * slots, true);
  added.moe_layer = moe_layer;
  added.slot_elements = slot_elements;
  added.replicas = communicator("expert_dp");
  added.shares = std::move(slot);
  if (!training() && model().expert_dtype != dense_dtype) graph_.tensors.back().dtype = model().expert_dtype;
}

Parameter& StepBuilder::table(const std::string& name, int parts) {
  if (parts > 1)
    cut_parameter(name, cut_rows(name, {model().vocabulary}, model().hidden, parts), true);
  else
    parameter(name, model().vocabulary * model().hidden, true);
  Parameter& added = graph_.parameters.back();
  if (!training()) graph_.tensors.back().dtype = model().table_dtype.value_or(model().weight_dtype);
  return added;
}

TensorId StepBuilder::weight(const std::string& name) const {
  for (const Parameter& parameter : graph_.parameters)
    if (parameter.name == name) return parameter.weight;
  throw InvariantError(__FILE__, __LINE__, "weight", "no parameter named " + name);
}

TensorId StepBuilder::gradient(const std::string& name) const {
  for (const Parameter& parameter : graph_.parameters)
    if (parameter.name == name) return parameter.gradient;
  throw InvariantError(__FILE__, __LINE__, "gradient", "no parameter named " + name);
}

/// Operators that are no products read and write activations: bf16 on GPUs, f32 on CPU cores. The router's product has
/// their precision. What only moves rows has that of its rows, which may be narrower; collectives that sum or gather
/// are told by their bytes.
DType StepBuilder::task_dtype(const Task& task) const {
  if (is_matrix_product(task.op)) return plan_.workload.compute_dtype;
  if (moves_rows(task.op)) return graph_.tensors[output_of(task)].dtype;
  return is_collective(task.op) ? DType::f32 : activation_dtype_;
}

/// Training multiplies with weights as wide as activations, inference with weights as they are stored.
std::optional<DType> StepBuilder::stored_weights(const Task& task) const {
  if (training() || !is_matrix_product(task.op)) return std::nullopt;
  for (const TensorId id : task.reads)
    if (graph_.tensors[id].kind == TensorKind::parameter) return graph_.tensors[id].dtype;
  return std::nullopt;
}

Task& StepBuilder::task(Op op, const std::string& what, const OpShape& shape, RowCount rows, const NamedOperands& reads,
                        const NamedOperands& writes) {
  Task task;
  if (plan_.layout.micro_batches > 1) task.label = "microbatch " + std::to_string(scope_.microbatch) + " / ";
  if (scope_.layer >= 0) task.label += "layer " + std::to_string(scope_.layer) + " / ";
  task.label += std::string(name_of(scope_.phase)) + " / " + what;
  task.op = op;
  task.phase = scope_.phase;
  task.layer = scope_.layer;
  task.moe_layer = scope_.moe_layer;
  task.microbatch = scope_.microbatch;
  task.stage = scope_.stage;
  task.rows = rows.rows;
  task.fixed_rows = rows.fixed;
  task.shape = shape;
  task.reads = in_places(reads);
  task.writes = in_places(writes);
  task.dtype = task_dtype(task);
  task.stored_dtype = stored_weights(task);
  graph_.tasks.push_back(std::move(task));
  return graph_.tasks.back();
}

TensorId StepBuilder::send_to_stage(TensorId from, const std::string& arrived, int to_stage) {
  const int stage = scope_.stage;
  const bool onward = to_stage > stage;
  const TensorId to = activation(arrived, tokens(), model().hidden);
  Task& added = task(Op::all_to_all, "stage " + std::to_string(stage) + " to " + std::to_string(to_stage), {}, tokens(),
                     {{Collective::sent, from}}, {{Collective::received, to}});
  added.shape.k = model().hidden;
  added.lane = Lane::network;
  added.leg = onward ? Leg::next_stage : Leg::previous_stage;
  added.other_stage = to_stage;
  added.communicator = communicator("stages " + std::to_string(std::min(stage, to_stage)) + " and " +
                                    std::to_string(std::max(stage, to_stage)));
  added.bytes_per_row = row_bytes();
  return to;
}

}  // namespace moesaic
