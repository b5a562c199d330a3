// One product per slot, one behind the other.
#include "executor/cuda/grouped_matmul.h"

#include "core/schema/bfloat16.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
void multiply(Linear& linear, GroupedProduct product, int64_t n, int64_t k, const GroupedProblem<Element>& p,
              Stream stream) {
  switch (product) {
    case GroupedProduct::forward:
      return linear.forward(p.a, p.b, p.c, p.rows, n, k, stream);
    case GroupedProduct::dgrad:
      return linear.dgrad(p.a, p.b, p.c, p.rows, n, k, stream);
    case GroupedProduct::wgrad:
      return linear.wgrad(p.a, p.b, p.c, p.rows, n, k, stream);
  }
}

}  // namespace

template <typename Element>
void grouped_matmul(Linear& linear, GroupedProduct product, int64_t n, int64_t k,
                    std::span<const GroupedProblem<Element>> problems, Stream stream) {
  for (const GroupedProblem<Element>& problem : problems)
    if (problem.rows > 0) multiply(linear, product, n, k, problem, stream);
}

template void grouped_matmul(Linear&, GroupedProduct, int64_t, int64_t, std::span<const GroupedProblem<float>>, Stream);
template void grouped_matmul(Linear&, GroupedProduct, int64_t, int64_t, std::span<const GroupedProblem<BFloat16>>,
                             Stream);

}  // namespace moesaic::executor::cuda
