#include "core/blocks/moe.h"

#include "core/blocks/exchange.h"
#include "core/blocks/tensor_parallel.h"
#include "core/operators/activations.h"
#include "core/operators/router.h"

namespace moesaic {
namespace {

using operands::OwnChoices, operands::Router, operands::RouterBackward;

OpShape router_shape(const StepBuilder& b) {
  OpShape shape = linear_shape(b.model().num_experts, b.model().hidden);
  shape.top_k = b.model().top_k;
  return shape;
}

bool gathers(const StepBuilder& b) { return b.plan().dispatch.gathers_tokens(); }

}  // namespace

void MoeBlock::declare(StepBuilder& b) const {
  NormLayer::declare(b, in_layer(b, "norm2"));
  b.parameter(in_layer(b, "router"), b.model().num_experts * b.model().hidden, true);
  ExpertFfn::declare(b);
  SharedExperts::declare(b);
}

/// router -> {probabilities, route, own counts}; then the counts of the ranks whose rows meet in the layer.
void MoeBlock::route(StepBuilder& b) {
  const Model& m = b.model();
  probabilities_ = b.activation(in_layer(b, "probabilities"), b.routed_tokens(), m.num_experts, DType::f32);
  route_ = b.activation(in_layer(b, "route"), b.routed_tokens(), route_elements(b), DType::i32);
  const TensorId own = b.activation(in_layer(b, "local_counts"), 1, count_elements(b), DType::i32);
  Task& router =
      b.task(Op::router, "router", router_shape(b), b.routed_tokens(),
             {{Router::z, normed_}, {Router::w, b.weight(in_layer(b, "router"))}},
             {{Router::probabilities, probabilities_}, {Router::route, route_}, {Router::local_counts, own}});
  if (b.plan().layout.ep == 1 || gathers(b)) router.announces = Announces::group_counts;
  counts_ = exchange_counts(b, own);
  router_counts_ = {own, counts_};
  rows_.begin(b, gathers(b) ? own_choices(b) : route_, counts_);
}

TensorId MoeBlock::own_choices(StepBuilder& b) const {
  const TensorId own = b.activation(in_layer(b, "own_route"), b.routed_tokens(), route_elements(b), DType::i32);
  b.task(Op::own_choices, "own choices", width_shape(route_elements(b)), b.routed_tokens(),
         {{OwnChoices::route, route_}, {OwnChoices::counts, counts_}}, {{OwnChoices::own, own}});
  return own;
}

TensorId MoeBlock::forward(StepBuilder& b, TensorId x) {
  const TensorId normed = norm_.forward(b, in_layer(b, "norm2"), x, b.tokens());
  normed_ = gather_tokens(b, "norm2", normed);
  if (gathers(b)) {
    const TensorId shared = shared_.forward(b, normed);  // while tokens travel
    route(b);
    return add_parts(b, x, through_experts(b, kNoTensor), shared);
  }
  route(b);
  const TensorId shared = shared_.forward(b, normed);
  return through_experts(b, shared == kNoTensor ? x : add_residual(b, "shared", x, shared, "shared_sum"));
}

TensorId MoeBlock::through_experts(StepBuilder& b, TensorId residual) {
  const TensorId received = to_experts(b, "dispatch", rows_.to_experts(b, normed_), counts_);
  const TensorId out = experts_.forward(b, received, counts_, Rows::received, b.operand_dtype());
  returned_ = from_experts(b, "combine", out, counts_);
  return rows_.to_tokens(b, returned_, residual);
}

TensorId MoeBlock::add_parts(StepBuilder& b, TensorId x, TensorId routed, TensorId shared) const {
  TensorId part = scatter_sum(b, "moe_sum", routed);
  if (shared != kNoTensor) part = add_residual(b, "shared", part, shared, "shared_sum");
  return add_residual(b, "moe", x, sum_of_copies(b, "moe_sum", part), "moe_out");
}

TensorId MoeBlock::backward(StepBuilder& b, TensorId dy) {
  const TensorId d_sum = gathers(b) ? whole_gradient(b, "d_moe", dy) : dy;
  const auto [d_returned, d_weights] = rows_.to_tokens_gradient(b, gather_tokens(b, "d_moe", d_sum), returned_);
  const TensorId d_out = to_experts(b, "combine gradient", d_returned, counts_);
  const TensorId d_shared = shared_.backward(b, d_sum);  // while the rows travel
  const ExpertFfn::Gradients gradients = experts_.input_gradient(b, d_out, "d_received");
  const TensorId d_send = from_experts(b, "dispatch gradient", gradients.x, counts_);
  // After the send has been issued, so that it hides behind the weight gradients.
  experts_.weight_gradient(b, d_out, gradients.hidden);
  const TensorId d_normed = router_gradient(b, d_weights);
  rows_.to_experts_gradient(b, d_send, d_normed);
  return norm_.backward(b, with_shared(b, scatter_sum(b, "d_norm2", d_normed), d_shared), dy);
}

/// What the router leaves of the gradient of its input, to which permute's is added; its weights' beside it.
TensorId MoeBlock::router_gradient(StepBuilder& b, TensorId d_weights) const {
  const TensorId d_normed = b.activation(in_layer(b, "d_norm2"), b.routed_tokens(), b.model().hidden);
  b.task(Op::router_backward, "router", router_shape(b), b.routed_tokens(),
         {{RouterBackward::d_weights, d_weights},
          {RouterBackward::probabilities, probabilities_},
          {RouterBackward::route, route_},
          {RouterBackward::counts, router_counts_.stage},
          {RouterBackward::z, normed_},
          {RouterBackward::w, b.weight(in_layer(b, "router"))}},
         {{RouterBackward::dz, d_normed},
          {RouterBackward::dw, b.gradient(in_layer(b, "router"))},
          {RouterBackward::loss, b.inputs().loss}});
  return d_normed;
}

TensorId MoeBlock::with_shared(StepBuilder& b, TensorId d_normed, TensorId d_shared) const {
  if (d_shared == kNoTensor) return d_normed;
  const TensorId sum = b.activation(in_layer(b, "d_norm2_sum"), b.tokens(), b.model().hidden);
  b.task(Op::add, "shared gradient", width_shape(b.model().hidden), b.tokens(),
         {{operands::Add::a, d_normed}, {operands::Add::b, d_shared}}, {{operands::Add::sum, sum}});
  return sum;
}

void gather_stage_counts(StepBuilder& b, const std::vector<RouterCounts*>& layers) {
  const int ranks = b.plan().layout.stage_ranks();
  const bool unread = b.model().auxiliary_coefficient == 0 && b.plan().expert_storage.home == Tier::device;
  if (layers.empty() || unread || b.plan().layout.ep == ranks) return;
  const int64_t all = static_cast<int64_t>(layers.size()) * count_elements(b);
  const TensorId own = b.activation("local_counts", 1, all, DType::i32);
  const TensorId gathered = b.activation("stage_counts", ranks, all, DType::i32);
  const auto place = [&](TensorId view, TensorId base, size_t layer) {
    Tensor& tensor = b.graph().tensors[view];
    tensor.view_of = base;
    tensor.view_offset = static_cast<int64_t>(layer) * count_elements(b);
    return view;
  };
  std::vector<TensorId> parts;
  for (size_t i = 0; i < layers.size(); ++i) {
    parts.push_back(place(layers[i]->local, own, i));
    layers[i]->stage =
        place(b.activation("stage_counts." + std::to_string(i), ranks, count_elements(b), DType::i32), gathered, i);
  }
  const std::string of_stage = b.plan().layout.pp > 1 ? " of stage " + std::to_string(b.scope().stage) : "";
  gather_counts(b, "gather counts" + of_stage, Announces::stage_counts, b.replicas(), std::move(parts), gathered);
}

}  // namespace moesaic
