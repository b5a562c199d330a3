#pragma once
// What DeepSpeed's FP16_Optimizer does with a gradient before AdamW, a pass each. It is not how one would do it: AdamW
// reads gradients as they are.

#include <cstdint>

namespace moesaic::executor::cpu {

// widened [count] = g, statistics[0] += the sum of its magnitudes; widened = g again; copy [count] = widened,
// statistics[1] += its sum of squares; copy *= 1 / loss_scale
void flatten_gradient(const float* g, float* widened, float* copy, float* statistics, std::int64_t count,
                      float loss_scale);

}  // namespace moesaic::executor::cpu
