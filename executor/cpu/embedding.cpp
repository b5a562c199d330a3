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

void join_columns(const float* pieces, float* x, std::int64_t m, std::int64_t h, std::int64_t parts) {
  const std::int64_t width = h / parts;
  for (std::int64_t row = 0; row < m; ++row)
    for (std::int64_t part = 0; part < parts; ++part)
      std::copy_n(pieces + (part * m + row) * width, width, x + row * h + part * width);
}

void split_columns(const float* x, float* pieces, std::int64_t m, std::int64_t h, std::int64_t parts) {
  const std::int64_t width = h / parts;
  for (std::int64_t part = 0; part < parts; ++part)
    for (std::int64_t row = 0; row < m; ++row)
      std::copy_n(x + row * h + part * width, width, pieces + (part * m + row) * width);
}

}  // namespace moesaic::executor::cpu
