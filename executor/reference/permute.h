#pragma once
// Permutation of token rows by expert slot in double; shapes as in executor/cpu/permute.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

struct PermuteShape {
  std::int64_t m = 0, k = 0, h = 0;
};

std::int64_t build_permutation(const std::int32_t* chosen, const std::int32_t* slot_of_expert,
                               std::int32_t* row_of_choice, std::int64_t* rows_per_slot, std::int64_t m, std::int64_t k,
                               std::int64_t num_slots);
void permute_forward(const double* z, const std::int32_t* row_of_choice, double* send, const PermuteShape& shape);
void permute_backward(const double* dsend, const std::int32_t* row_of_choice, double* dz, const PermuteShape& shape);
void unpermute_forward(const double* returned, const std::int32_t* row_of_choice, const double* weights,
                       const double* residual, double* out, const PermuteShape& shape);
void unpermute_backward(const double* dout, const double* returned, const std::int32_t* row_of_choice,
                        const double* weights, double* dreturned, double* dweights, const PermuteShape& shape);

}  // namespace moesaic::executor::reference
