#include "executor/cpu/embedding.h"

#include <algorithm>

#include "executor/cpu/add.h"

namespace moesaic::executor::cpu {

void embedding_forward(const std::int32_t* tokens, const float* table, float* x, std::int64_t m, std::int64_t h) {
  for (std::int64_t row = 0; row < m; ++row) std::copy_n(table + tokens[row] * h, h, x + row * h);
}

void embedding_backward(const std::int32_t* tokens, const float* dx, float* dtable, std::int64_t m, std::int64_t h) {
  for (std::int64_t row = 0; row < m; ++row) accumulate(dx + row * h, dtable + tokens[row] * h, h);
}

}  // namespace moesaic::executor::cpu
