#include "core/blocks/moe.h"

#include "core/blocks/exchange.h"
#include "core/operators/activations.h"
#include "core/operators/router.h"
#include "core/operators/row_movers.h"

namespace moesaic {
namespace {

using operands::Permute, operands::PermuteBackward, operands::Router, operands::RouterBackward, operands::Unpermute,
    operands::UnpermuteBackward;

OpShape router_shape(const StepBuilder& b) {
  OpShape shape = linear_shape(b.model().num_experts, b.model().hidden);
  shape.top_k = b.model().top_k;
  return shape;
}

/// A choice sends a row to every slice of its expert; their results add up.
OpShape choice_shape(const StepBuilder& b) {
  OpShape shape = width_shape(b.model().hidden);
  shape.top_k = b.model().top_k * b.plan().layout.expert_slices;
  return shape;
}

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
  probabilities_ = b.activation(in_layer(b, "probabilities"), b.tokens(), m.num_experts, DType::f32);
  // Per choice: expert (i32), weight (f32), and for every slice of the expert the row in the send buffer (i32).
  route_ = b.activation(in_layer(b, "route"), b.tokens(), (2 + b.plan().layout.expert_slices) * m.top_k, DType::i32);
  const TensorId own = b.activation(in_layer(b, "local_counts"), 1, count_elements(b), DType::i32);
  Task& router =
      b.task(Op::router, "router", router_shape(b), b.tokens(),
             {{Router::z, normed_}, {Router::w, b.weight(in_layer(b, "router"))}},
             {{Router::probabilities, probabilities_}, {Router::route, route_}, {Router::local_counts, own}});
  if (b.plan().layout.ep == 1) router.announces = Announces::group_counts;
  counts_ = exchange_counts(b, own);
  router_counts_ = {own, counts_};
}

TensorId MoeBlock::forward(StepBuilder& b, TensorId x) {
  const int64_t hidden = b.model().hidden;
  normed_ = norm_.forward(b, in_layer(b, "norm2"), x, b.tokens());
  route(b);
  const TensorId residual = shared_.forward(b, x, normed_);
  const TensorId send = b.activation(in_layer(b, "send"), Rows::sent, hidden, b.operand_dtype());
  b.task(Op::permute, "permute", choice_shape(b), Rows::sent,
         {{Permute::z, normed_}, {Permute::route, route_}, {Permute::counts, counts_}}, {{Permute::send, send}});
  const TensorId received = to_experts(b, "dispatch", send, counts_);
  const TensorId out = experts_.forward(b, received, counts_, Rows::received, b.operand_dtype());
  returned_ = from_experts(b, "combine", out, counts_);
  const TensorId sum = b.activation(in_layer(b, "moe_sum"), b.tokens(), hidden);
  b.task(Op::unpermute, "unpermute", choice_shape(b), Rows::sent,
         {{Unpermute::returned, returned_}, {Unpermute::route, route_}, {Unpermute::residual, residual}},
         {{Unpermute::sum, sum}});
  return sum;
}

TensorId MoeBlock::backward(StepBuilder& b, TensorId dy) {
  const Model& m = b.model();
  const TensorId d_returned = b.activation(in_layer(b, "d_returned"), Rows::sent, m.hidden, b.operand_dtype());
  const TensorId d_weights = b.activation(in_layer(b, "d_weights"), b.tokens(), m.top_k, DType::f32);
  b.task(Op::unpermute_backward, "unpermute", choice_shape(b), Rows::sent,
         {{UnpermuteBackward::d_sum, dy}, {UnpermuteBackward::returned, returned_}, {UnpermuteBackward::route, route_}},
         {{UnpermuteBackward::d_returned, d_returned}, {UnpermuteBackward::d_weights, d_weights}});
  const TensorId d_out = to_experts(b, "combine gradient", d_returned, counts_);
  const TensorId d_shared = shared_.backward(b, dy);  // while the rows travel
  const ExpertFfn::Gradients gradients = experts_.input_gradient(b, d_out, "d_received");
  const TensorId d_send = from_experts(b, "dispatch gradient", gradients.x, counts_);
  // After the send has been issued, so that it hides behind the weight gradients.
  experts_.weight_gradient(b, d_out, gradients.hidden);
  const TensorId d_normed = router_gradient(b, d_weights);
  b.task(Op::permute_backward, "permute", choice_shape(b), Rows::sent,
         {{PermuteBackward::d_send, d_send}, {PermuteBackward::route, route_}, {PermuteBackward::dz, d_normed}},
         {{PermuteBackward::sum, d_normed}});
  return norm_.backward(b, with_shared(b, d_normed, d_shared), dy);
}

/// What the router leaves of the gradient of its input, to which permute's is added; its weights' beside it.
TensorId MoeBlock::router_gradient(StepBuilder& b, TensorId d_weights) const {
  const TensorId d_normed = b.activation(in_layer(b, "d_norm2"), b.tokens(), b.model().hidden);
  b.task(Op::router_backward, "router", router_shape(b), b.tokens(),
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
