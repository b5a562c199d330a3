#pragma once
// Experts that every token passes through (DeepSeekMoE, arXiv 2401.06066): a dense FFN beside the routed ones, added to
// the residual. Nothing where the model has none.

#include "core/blocks/feed_forward.h"

namespace moesaic {

class SharedExperts {
 public:
  static void declare(StepBuilder& b);
  /// x + shared(normed), or x.
  TensorId forward(StepBuilder& b, TensorId x, TensorId normed);
  /// Gradient of that sum -> what comes of it by `normed`; kNoTensor where there are no shared experts.
  TensorId backward(StepBuilder& b, TensorId dy);

 private:
  FeedForward layers_{"shared_"};
};

}  // namespace moesaic
