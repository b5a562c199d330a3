#pragma once
// Expert states on their way between tiers, and their update on the host. What they cost is the bytes that routing and
// a cache decide (core/policy); the device computes nothing for them.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
// A signal has no bytes: it says that something has happened. Which experts a transfer is about, routing and
// core/policy decide (Demand).
struct LoadExperts {  // reads what must be ready: counts, the signals of drains, or nothing (a prediction)
  enum Writes : size_t { signal };
};
struct FetchExperts {
  enum Reads : size_t { ready };      // signal of the load or, from host memory, counts; of a prediction there nothing
  enum Writes : size_t { up, down };  // windows
};
struct DrainGradients {
  enum Reads : size_t { d_up, d_down, counts };  // windows first
  enum Writes : size_t { signal };
};
struct CheckExperts {  // reads the signals of the drains of one layer
  enum Writes : size_t { signal };
};
struct UpdateExperts {  // reads the signals of its drains, one per microbatch, and last of all that of the load, if any
  enum Writes : size_t { signal };
};
struct StoreExperts {
  enum Reads : size_t { updated };  // signal of the update; of the last one where it flushes
  enum Writes : size_t { signal };
};
}  // namespace operands

/// Words of f32 per element. The states of an expert outside the device: weight and both moments. What AdamW on the
/// host reads and writes: it reads the gradient, reads and writes the weight and both moments, and clears the gradient.
/// The check of gradients reads them.
inline constexpr int64_t kStateWords = 3, kHostUpdateWords = 8, kHostCheckWords = 1;

inline constexpr OperatorFacts kTransfers[] = {
    {.op = Op::load_experts,
     .name = "load_experts",
     .family = Family::transfers,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
    {.op = Op::fetch_experts,
     .name = "fetch_experts",
     .family = Family::transfers,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
    {.op = Op::drain_gradients,
     .name = "drain_gradients",
     .family = Family::transfers,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
    {.op = Op::check_experts,
     .name = "check_experts",
     .family = Family::transfers,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
    {.op = Op::update_experts,
     .name = "update_experts",
     .family = Family::transfers,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
    {.op = Op::store_experts,
     .name = "store_experts",
     .family = Family::transfers,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
};

}  // namespace moesaic
