#pragma once
// Embedding look-up in double, and its gradient; shapes as in executor/cpu/embedding.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

void embedding_forward(const std::int32_t* tokens, const double* table, double* x, std::int64_t m, std::int64_t h);
void embedding_backward(const std::int32_t* tokens, const double* dx, double* dtable, std::int64_t m, std::int64_t h);

void join_columns(const double* pieces, double* x, std::int64_t m, std::int64_t h, std::int64_t parts);
void split_columns(const double* x, double* pieces, std::int64_t m, std::int64_t h, std::int64_t parts);

}  // namespace moesaic::executor::reference
