#include "executor/reference/kernels.h"

namespace moesaic::executor::reference {

const KernelTable<Stateless>& kernels() {
  static const KernelTable<Stateless> table("reference", {dense_kernels(), router_kernels(), row_mover_kernels(),
                                                          einsum_kernels(), expert_kernels(), update_kernels()});
  return table;
}

}  // namespace moesaic::executor::reference
