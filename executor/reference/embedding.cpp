#include "executor/reference/embedding.h"

namespace moesaic::executor::reference {

void embedding_forward(const std::int32_t* tokens, const double* table, double* x, std::int64_t m, std::int64_t h) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < h; ++j) x[i * h + j] = table[tokens[i] * h + j];
  }
}

void embedding_backward(const std::int32_t* tokens, const double* dx, double* dtable, std::int64_t m, std::int64_t h) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < h; ++j) dtable[tokens[i] * h + j] += dx[i * h + j];
  }
}

void join_columns(const double* pieces, double* x, std::int64_t m, std::int64_t h, std::int64_t parts) {
  const std::int64_t width = h / parts;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < h; ++j) x[i * h + j] = pieces[(j / width * m + i) * width + j % width];
  }
}

void split_columns(const double* x, double* pieces, std::int64_t m, std::int64_t h, std::int64_t parts) {
  const std::int64_t width = h / parts;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < h; ++j) pieces[(j / width * m + i) * width + j % width] = x[i * h + j];
  }
}

}  // namespace moesaic::executor::reference
