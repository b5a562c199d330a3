#pragma once
// The loss at the vocabulary: cross entropy of softmax(logits) against the target token, and its gradient in the same
// pass. It returns a sum, not a mean: only the caller knows how many tokens the step has over all ranks.

#include <cstdint>

namespace moesaic::executor::cpu {

// Returns the sum over rows of -log softmax(logits)[target]. logits [m, v]; targets [m], 0 <= target < v;
// dlogits [m, v] = scale * (softmax(logits) - onehot(target)), may be logits.
double cross_entropy(const float* logits, const std::int32_t* targets, float* dlogits, std::int64_t m, std::int64_t v,
                     float scale);

}  // namespace moesaic::executor::cpu
