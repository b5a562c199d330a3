#include "executor/cuda/experts.h"

#include <numeric>
#include <vector>

#include "core/schema/bfloat16.h"
#include "executor/cuda/gelu.h"
#include "executor/cuda/grouped_matmul.h"
#include "executor/cuda/swiglu.h"

namespace moesaic::executor::cuda {
namespace {

/// c [rows, c_width] (+)= product of a [rows, a_width] and the slots' b.
template <typename Element>
std::vector<GroupedProblem<Element>> row_problems(const Element* a, int64_t a_width, const Element* const* b,
                                                  Element* c, int64_t c_width, const int64_t* rows_per_slot,
                                                  int64_t slots) {
  std::vector<GroupedProblem<Element>> problems;
  for (int64_t slot = 0; slot < slots; ++slot) {
    const int64_t rows = rows_per_slot[slot];
    problems.push_back({a, b[slot], c, rows});
    a += rows * a_width;
    c += rows * c_width;
  }
  return problems;
}

/// The slots' c [a_width, b_width] += a [rows, a_width]^T b [rows, b_width].
template <typename Element>
std::vector<GroupedProblem<Element>> reductions(const Element* a, int64_t a_width, const Element* b, int64_t b_width,
                                                Element* const* c, const int64_t* rows_per_slot, int64_t slots) {
  std::vector<GroupedProblem<Element>> problems;
  for (int64_t slot = 0; slot < slots; ++slot) {
    const int64_t rows = rows_per_slot[slot];
    problems.push_back({a, b, c[slot], rows});
    a += rows * a_width;
    b += rows * b_width;
  }
  return problems;
}

template <typename Element>
void run(Linear& linear, GroupedProduct product, int64_t n, int64_t k,
         const std::vector<GroupedProblem<Element>>& problems, Stream stream) {
  grouped_matmul<Element>(linear, product, n, k, problems, stream);
}

int64_t all_rows(const int64_t* rows_per_slot, int64_t slots) {
  return std::accumulate(rows_per_slot, rows_per_slot + slots, int64_t{0});
}

}  // namespace

template <typename Element>
void experts_forward(Linear& linear, const Element* x, const int64_t* rows_per_slot, const Element* const* up,
                     const Element* const* down, Element* u, Element* a, Element* y, const ExpertsShape& shape,
                     Stream stream) {
  const auto [slots, h, f, gated] = shape;
  const int64_t up_width = shape.up_width(), rows = all_rows(rows_per_slot, slots);
  run(linear, GroupedProduct::forward, up_width, h, row_problems(x, h, up, u, up_width, rows_per_slot, slots), stream);
  if (gated)
    swiglu_forward(u, a, rows, f, stream);
  else
    gelu_forward(u, a, rows * f, stream);
  run(linear, GroupedProduct::forward, h, f, row_problems<Element>(a, f, down, y, h, rows_per_slot, slots), stream);
}

template <typename Element>
void experts_dgrad(Linear& linear, const Element* dy, const Element* u, const int64_t* rows_per_slot,
                   const Element* const* up, const Element* const* down, Element* du, Element* dx,
                   const ExpertsShape& shape, Stream stream) {
  const auto [slots, h, f, gated] = shape;
  const int64_t up_width = shape.up_width(), rows = all_rows(rows_per_slot, slots);
  // The gradient of the activation becomes that of u in its own place, if that fits.
  Element* da = gated ? static_cast<Element*>(linear.scratch().get(stream, Scratch::gated_gradient,
                                                                   rows * f * static_cast<Bytes>(sizeof(Element))))
                      : du;
  run(linear, GroupedProduct::dgrad, h, f, row_problems(dy, h, down, da, f, rows_per_slot, slots), stream);
  if (gated)
    swiglu_backward(da, u, du, rows, f, stream);
  else
    gelu_backward(da, u, du, rows * f, stream);
  run(linear, GroupedProduct::dgrad, up_width, h, row_problems<Element>(du, up_width, up, dx, h, rows_per_slot, slots),
      stream);
}

template <typename Element>
void experts_wgrad(Linear& linear, const Element* dy, const Element* du, const Element* x, const Element* a,
                   const int64_t* rows_per_slot, Element* const* dup, Element* const* ddown, const ExpertsShape& shape,
                   Stream stream) {
  const auto [slots, h, f, gated] = shape;
  const int64_t up_width = shape.up_width();
  run(linear, GroupedProduct::wgrad, up_width, h, reductions(du, up_width, x, h, dup, rows_per_slot, slots), stream);
  run(linear, GroupedProduct::wgrad, h, f, reductions(dy, h, a, f, ddown, rows_per_slot, slots), stream);
}

#define MOESAIC_EXPERTS(Element)                                                                                       \
  template void experts_forward(Linear&, const Element*, const int64_t*, const Element* const*, const Element* const*, \
                                Element*, Element*, Element*, const ExpertsShape&, Stream);                            \
  template void experts_dgrad(Linear&, const Element*, const Element*, const int64_t*, const Element* const*,          \
                              const Element* const*, Element*, Element*, const ExpertsShape&, Stream);                 \
  template void experts_wgrad(Linear&, const Element*, const Element*, const Element*, const Element*, const int64_t*, \
                              Element* const*, Element* const*, const ExpertsShape&, Stream);
MOESAIC_EXPERTS(float)
MOESAIC_EXPERTS(BFloat16)
#undef MOESAIC_EXPERTS

}  // namespace moesaic::executor::cuda
