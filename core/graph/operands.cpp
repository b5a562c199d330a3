#include "core/graph/operands.h"

#include "core/operators/collectives.h"
#include "core/operators/optimizer.h"
#include "core/operators/router.h"
#include "core/operators/row_movers.h"
#include "core/operators/transfers.h"
#include "core/schema/error.h"

namespace moesaic {

std::vector<TensorId> in_places(const NamedOperands& operands) {
  constexpr TensorId kUnnamed = -1;
  std::vector<TensorId> tensors(operands.size(), kUnnamed);
  for (const auto& [place, tensor] : operands) {
    MOESAIC_CHECK(place < tensors.size() && tensors[place] == kUnnamed && tensor >= 0,
                  "operand " + std::to_string(place) + " of " + std::to_string(tensors.size()) +
                      " is named twice, not made yet, or leaves another one unnamed");
    tensors[place] = tensor;
  }
  return tensors;
}

static_assert(operands::Collective::sent == 0 && operands::Collective::received == 0);
static_assert(operands::RowMove::rows == 0 && operands::RowMove::moved == 0);
static_assert(operands::Permute::z == 0 && operands::Permute::send == 0);
static_assert(operands::UnpermuteBackward::d_sum == 0 && operands::UnpermuteBackward::d_returned == 0);

TensorId input_of(const Task& task) { return task.reads.at(0); }
TensorId output_of(const Task& task) { return task.writes.at(0); }

TensorId gradient_of(const Task& task) {
  if (task.op == Op::all_reduce) return task.reads[operands::Collective::sent];
  if (task.op == Op::adamw) return task.reads[operands::AdamW::gradient];
  return -1;
}

OfTensors<TensorId> originals_of(const TaskGraph& graph) {
  using operands::FlattenGradients;
  OfTensors<TensorId> originals;
  for (size_t i = 0; i < graph.tensors.size(); ++i) originals.push_back(TensorId(i));
  for (const Task& task : graph.tasks) {
    if (task.op != Op::flatten_gradients) continue;
    for (size_t i = 0; FlattenGradients::copy_of_parameter(i) < task.writes.size(); ++i)
      originals[task.writes[FlattenGradients::copy_of_parameter(i)]] = task.reads.at(FlattenGradients::of_parameter(i));
  }
  return originals;
}

std::span<const TensorId> added_to_by(const Task& task) {
  const auto [first, count] = facts_of(task.op).adds_to;
  return std::span(task.writes).subspan(first, count);
}

TensorId counts_made_by(const Task& task) {
  return task
      .writes[task.op == Op::router ? size_t{operands::Router::local_counts} : size_t{operands::Collective::received}];
}

std::vector<int> counted_layers(const TaskGraph& graph, const Task& task) {
  if (task.announces == Announces::group_counts) return {task.moe_layer};
  std::vector<int> layers;
  if (task.announces == Announces::nothing) return layers;
  for (TensorId counts : task.reads) layers.push_back(graph.tensors[counts].moe_layer);
  return layers;
}

TensorId load_before(const Task& task) {
  return task.op == Op::fetch_experts ? task.reads[operands::FetchExperts::ready] : task.reads.back();
}

}  // namespace moesaic
