#pragma once
// Experts that every token passes through (DeepSeekMoE, arXiv 2401.06066): a dense FFN beside the routed ones, added to
// the residual. Nothing where the model has none. Ranks that have the same tokens cut its width among themselves.

#include "core/blocks/feed_forward.h"

namespace moesaic {

class SharedExperts {
 public:
  static void declare(StepBuilder& b);
  /// shared(normed), of replicated tokens a part of it; kNoTensor where there are no shared experts.
  TensorId forward(StepBuilder& b, TensorId normed);
  /// Gradient of that -> gradient of normed; kNoTensor as above.
  TensorId backward(StepBuilder& b, TensorId dy);

 private:
  FeedForward layers_{"shared_"};
};

}  // namespace moesaic
