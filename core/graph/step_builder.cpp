#include "core/graph/step_builder.h"

#include <algorithm>
#include <map>

#include "core/graph/stages.h"
#include "core/operators/collectives.h"
#include "core/operators/row_movers.h"
#include "core/routing/routing_rules.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using operands::Collective, operands::RowMove;

CommunicatorFamily family(const std::string& name, int ranks, const auto& group_key) {
  CommunicatorFamily result{name, {}, std::vector<int>(static_cast<size_t>(ranks))};
  std::map<int, int> index_of;
  for (int rank = 0; rank < ranks; ++rank) {
    const auto [entry, fresh] = index_of.try_emplace(group_key(rank), static_cast<int>(result.groups.size()));
    if (fresh) result.groups.emplace_back();
    result.groups[static_cast<size_t>(entry->second)].push_back(rank);
    result.group_of_rank[static_cast<size_t>(rank)] = entry->second;
  }
  return result;
}

/// 3 for "layers.3.qkv", -1 outside the layers.
int layer_of(const std::string& parameter) {
  const std::string prefix = "layers.";
  return parameter.starts_with(prefix) ? std::stoi(parameter.substr(prefix.size())) : -1;
}

int64_t elements_of(const std::vector<Share>& shares) {
  int64_t elements = 0;
  for (const Share& share : shares) elements += share.piece.elements();
  return elements;
}

}  // namespace

std::vector<CommunicatorFamily> communicators_of(const Layout& layout, const Cluster& cluster, const Elastic& elastic) {
  const int ranks = layout.ranks, ep = layout.ep, local = std::min(cluster.devices_per_node, ep),
            of_stage = layout.stage_ranks();
  std::vector<CommunicatorFamily> families = {
      family("world", ranks, [](int) { return 0; }), family("ep", ranks, [=](int r) { return r / ep; }),
      family("expert_dp", ranks,
             [&](int r) { return elastic.teams.empty() ? r / of_stage * ep + r % ep : team_of(elastic, r).team; }),
      family("node", ranks, [=](int r) { return r / local; }),
      family("rail", ranks, [=](int r) { return r / ep * local + r % local; })};
  if (const int tp = layout.tp; tp > 1) {
    families.push_back(family("tp", ranks, [=](int r) { return r / tp; }));
    families.push_back(family("dp", ranks, [=](int r) { return r / of_stage * tp + r % tp; }));
  }
  if (layout.pp == 1) return families;
  families.push_back(family("stage", ranks, [=](int r) { return r / of_stage; }));
  for (int stage = 0; stage + 1 < layout.pp; ++stage)
    families.push_back(family("stages " + std::to_string(stage) + " and " + std::to_string(stage + 1), ranks,
                              [=](int r) { return r / of_stage == stage + 1 ? r - of_stage : r; }));
  families.push_back(family("embedding", ranks, [=](int r) { return r / of_stage % (layout.pp - 1) == 0 ? 0 : r; }));
  return families;
}

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
  graph_.communicators = communicators_of(layout, plan.cluster, plan.elastic);
  graph_.expert_slices = layout.expert_slices;
  if (plan.model.routed_by_task)
    graph_.inputs.task_rows =
        resident("task_rows", TensorKind::input, graph_.placement.at(0).slots_per_rank, DType::i32);
  if (training()) graph_.inputs.loss = resident("loss", TensorKind::input, 4, DType::f32);
}

void StepBuilder::share_tokens(const std::vector<int64_t>& tokens) {
  graph_.tokens_per_rank = *std::max_element(tokens.begin(), tokens.end());
  if (*std::min_element(tokens.begin(), tokens.end()) < graph_.tokens_per_rank) graph_.local_tokens = tokens;
}

int64_t StepBuilder::sequences() const {
  const bool decodes = plan_.workload.phase == WorkloadPhase::decode;
  return graph_.tokens_per_rank / (decodes ? 1 : plan_.workload.sequence_length);
}

TensorId StepBuilder::activation(const std::string& name, RowCount rows, int64_t row_elements) {
  return activation(name, rows, row_elements, activation_dtype_);
}

TensorId StepBuilder::activation(const std::string& name, RowCount rows, int64_t row_elements, DType dtype) {
  Tensor tensor{
      name, TensorKind::activation, dtype, rows.rows, rows.fixed, row_elements, scope_.moe_layer, scope_.microbatch, 0,
      1};
  graph_.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(graph_.tensors.size()) - 1;
}

TensorId StepBuilder::routed(const std::string& name, Rows rows, int64_t row_elements) {
  return routed(name, rows, row_elements, activation_dtype_);
}

TensorId StepBuilder::routed(const std::string& name, Rows rows, int64_t row_elements, DType dtype) {
  const TensorId id = activation(name, 0, row_elements, dtype);
  graph_.tensors.back().rows = rows;
  return id;
}

TensorId StepBuilder::resident(const std::string& name, TensorKind kind, int64_t elements, DType dtype) {
  graph_.tensors.push_back({name, kind, dtype, Rows::fixed, 1, elements, -1, -1, 0, 1});
  return static_cast<TensorId>(graph_.tensors.size()) - 1;
}

TensorId StepBuilder::token_input(const std::string& name) {
  graph_.tensors.push_back(
      {name, TensorKind::input, DType::i32, tokens().rows, tokens().fixed, 1, -1, scope_.microbatch, 0, 1});
  return static_cast<TensorId>(graph_.tensors.size()) - 1;
}

void StepBuilder::parameter(const std::string& name, int64_t elements, bool decay) {
  Parameter parameter;
  parameter.name = name;
  parameter.elements = elements;
  parameter.layer = layer_of(name);
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
  graph_.parameters.push_back(std::move(parameter));
}

void StepBuilder::cut_parameter(const std::string& name, std::vector<Share> shares, bool decay) {
  parameter(name, elements_of(shares), decay);
  Parameter& added = graph_.parameters.back();
  added.shares = std::move(shares);
  if (plan_.layout.tp == 1) return;
  added.partition = communicator("tp");
  added.replicas = communicator("dp");
}

void StepBuilder::expert_parameter(const std::string& name, int moe_layer, std::vector<Share> slot) {
  const DType dense_dtype = model().weight_dtype;
  const int64_t slot_elements = elements_of(slot);
  parameter(name, slot_elements * graph_.placement[static_cast<size_t>(moe_layer)].slots_per_rank, true);
  Parameter& added = graph_.parameters.back();
  added.moe_layer = moe_layer;
  added.slot_elements = slot_elements;
  added.replicas = communicator("expert_dp");
  added.shares = std::move(slot);
  if (!training() && model().expert_dtype != dense_dtype) graph_.tensors.back().dtype = model().expert_dtype;
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

/// Operators that are no products work in f32, but those that move rows which are narrower than other activations.
DType StepBuilder::task_dtype(const Task& task) const {
  if (is_matrix_product(task.op)) return plan_.workload.compute_dtype;
  if (!moves_rows(task.op)) return DType::f32;
  const DType dtype = graph_.tensors[static_cast<size_t>(output_of(task))].dtype;
  return dtype == activation_dtype_ ? DType::f32 : dtype;
}

Task& StepBuilder::task(Op op, const std::string& what, const OpShape& shape, RowCount rows, NamedOperands reads,
                        NamedOperands writes) {
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
  graph_.tasks.push_back(std::move(task));
  return graph_.tasks.back();
}

Task& StepBuilder::routed_task(Op op, const std::string& what, const OpShape& shape, Rows rows, NamedOperands reads,
                               NamedOperands writes) {
  Task& added = task(op, what, shape, 0, reads, writes);
  added.rows = rows;
  return added;
}

Task& StepBuilder::all_to_all(const std::string& what, Leg leg, TensorId from, TensorId counts, TensorId to) {
  OpShape shape;
  shape.k = model().hidden;
  Task& added = routed_task(Op::all_to_all, what, shape, Rows::sent,
                            {{Collective::sent, from}, {Collective::counts, counts}}, {{Collective::received, to}});
  added.lane = Lane::network;
  added.leg = leg;
  added.communicator = communicator("ep");
  added.bytes_per_row = bytes_of(graph_.tensors[static_cast<size_t>(from)].dtype, model().hidden);
  added.rows = leg == Leg::dispatch ? Rows::sent : Rows::received;
  return added;
}

Task& StepBuilder::regroup(const std::string& what, Regroup order, TensorId from, TensorId counts, TensorId to) {
  OpShape shape;
  shape.k = model().hidden;
  Task& added = routed_task(Op::regroup, what, shape, Rows::received,
                            {{RowMove::rows, from}, {RowMove::counts, counts}}, {{RowMove::moved, to}});
  added.regroup = order;
  return added;
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
