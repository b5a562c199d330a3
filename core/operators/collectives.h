#pragma once
// What ranks exchange. It costs what the network takes (core/network); the device computes nothing for it.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
// Between pipeline stages the sender has nothing that it writes, the receiver nothing that it reads. An all-reduce
// receives in place, in the tensor that it sends. The all-gather of a stage's counts sends those of every MoE layer,
// views that stand one after the other, and reads nothing else.
struct Collective {
  enum Reads : size_t { sent, counts };  // counts: routed all-to-alls
  enum Writes : size_t { received };
};
}  // namespace operands

inline constexpr OperatorFacts kCollectives[] = {
    {.op = Op::all_to_all,
     .name = "all_to_all",
     .family = Family::collectives,
     .is_matrix_product = false,
     .moves_rows = true,
     .flops = no_flops,
     .bytes = no_bytes},
    {.op = Op::all_reduce,
     .name = "all_reduce",
     .family = Family::collectives,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
    {.op = Op::all_gather,
     .name = "all_gather",
     .family = Family::collectives,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
    {.op = Op::reduce_scatter,
     .name = "reduce_scatter",
     .family = Family::collectives,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = no_bytes},
};

}  // namespace moesaic
