#include "core/graph/routing_binding.h"

namespace moesaic {

int64_t RoutingBinding::rows(const Task& task, int rank, int64_t iteration) const {
  return task.rows == Rows::fixed ? task.fixed_rows : rows(routed_rows(task), rank, iteration);
}

Bytes RoutingBinding::bytes(const Tensor& tensor, int rank, int64_t iteration) const {
  const int64_t bound = tensor.rows == Rows::fixed ? tensor.fixed_rows : rows(routed_rows(tensor), rank, iteration);
  return bytes_of(tensor.dtype, bound * tensor.row_elements);
}

}  // namespace moesaic
