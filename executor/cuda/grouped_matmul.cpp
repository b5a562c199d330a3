// One product per slot, one behind the other, where no kernel takes all slots at once.
#include "executor/cuda/grouped_matmul.h"

#include <type_traits>

#include "core/schema/bfloat16.h"
#ifdef MOESAIC_HAVE_CUTLASS
#include "executor/cuda/grouped_matmul_sm90.h"
#endif

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
#ifdef MOESAIC_HAVE_CUTLASS
  if constexpr (std::is_same_v<Element, BFloat16>)
    if (grouped_matmul_sm90_takes(n, k, problems))
      return grouped_matmul_sm90(product, n, k, problems, linear.scratch(), stream);
#endif
  for (const GroupedProblem<Element>& problem : problems)
    if (problem.rows > 0) multiply(linear, product, n, k, problem, stream);
}

template void grouped_matmul(Linear&, GroupedProduct, int64_t, int64_t, std::span<const GroupedProblem<float>>, Stream);
template void grouped_matmul(Linear&, GroupedProduct, int64_t, int64_t, std::span<const GroupedProblem<BFloat16>>,
                             Stream);

}  // namespace moesaic::executor::cuda
