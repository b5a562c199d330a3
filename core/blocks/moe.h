#pragma once
// The MoE layer: x + unpermute(combine(experts(dispatch(permute(norm2(x)))))). Where one rank holds all experts,
// nothing is sent. Where dispatch.exchange gathers tokens instead, every rank routes those of its whole group, keeps
// the choices of its own experts, and what they add is summed over the group (the tensor parallelism that engines serve
// experts with; allgather dispatch of Megatron-LM):
//
//     norm2(x) [t, H] --all-gather--> [T, H] --router, own choices, permute, experts, unpermute--> [T, H], a part
//         --reduce-scatter, all-reduce of replicated tokens--> [t, H] + x

#include <vector>

#include "core/blocks/block.h"
#include "core/blocks/choice_rows.h"
#include "core/blocks/expert_ffn.h"
#include "core/blocks/norm_layer.h"
#include "core/blocks/shared_experts.h"

namespace moesaic {

class MoeBlock : public Block {
 public:
  void declare(StepBuilder& b) const override;
  TensorId forward(StepBuilder& b, TensorId x) override;
  TensorId backward(StepBuilder& b, TensorId dy) override;
  RouterCounts* router_counts() override { return &router_counts_; }

 private:
  void route(StepBuilder& b);
  TensorId own_choices(StepBuilder& b) const;
  /// What the routed experts make of normed_, added to `residual` unless that is kNoTensor.
  TensorId through_experts(StepBuilder& b, TensorId residual);
  /// x + what the experts of all ranks and the shared ones make of it.
  TensorId add_parts(StepBuilder& b, TensorId x, TensorId routed, TensorId shared) const;
  TensorId router_gradient(StepBuilder& b, TensorId d_weights) const;
  /// Of norm2's output, what comes by the shared experts included.
  TensorId with_shared(StepBuilder& b, TensorId d_normed, TensorId d_shared) const;

  NormLayer norm_;
  ExpertFfn experts_;
  SharedExperts shared_;
  TensorId normed_ = -1;  // of the tokens that the router sees
  TensorId probabilities_ = -1, route_ = -1, returned_ = -1;
  ChoiceRows rows_;       // of those in route_, what this rank sends, or computes
  TensorId counts_ = -1;  // [sources, announced_counts()]
  RouterCounts router_counts_;
};

/// Between the forward passes of some MoE layers and their backward passes: how often the whole stage has chosen each
/// expert. The auxiliary loss weighs it, and where experts' states leave the device, gradients are summed of what any
/// replica uses. One collective for all layers; none where nobody reads the counts or a group is the whole stage.
void gather_stage_counts(StepBuilder& b, const std::vector<RouterCounts*>& layers);

}  // namespace moesaic
