#pragma once
// The passes before AdamW in double; as in executor/cpu/flatten.h, without the intermediate array.
// They are not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

void flatten_gradient(const double* g, double* copy, double* statistics, std::int64_t count);

}  // namespace moesaic::executor::reference
