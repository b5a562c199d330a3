#include "executor/cuda/linear.h"

#include "executor/cuda/storage_format.h"

namespace moesaic::executor::cuda {

template <typename Element, typename Result>
void Linear::forward(const Element* x, const Element* w, Result* y, int64_t m, int64_t n, int64_t k, Stream stream) {
  matmul_.run(x, w, y, {m, n, k, Transpose::no, Transpose::yes, false}, kFormatOf<Element>, kFormatOf<Result>, stream);
}

template <typename Element>
void Linear::dgrad(const Element* dy, const Element* w, Element* dx, int64_t m, int64_t n, int64_t k, Stream stream,
                   bool accumulate) {
  matmul_.run(dy, w, dx, {m, k, n, Transpose::no, Transpose::no, accumulate}, kFormatOf<Element>, kFormatOf<Element>,
              stream);
}

template <typename Element>
void Linear::wgrad(const Element* dy, const Element* x, Element* dw, int64_t m, int64_t n, int64_t k, Stream stream,
                   bool accumulate) {
  matmul_.run(dy, x, dw, {n, k, m, Transpose::yes, Transpose::no, accumulate}, kFormatOf<Element>, kFormatOf<Element>,
              stream);
}

template void Linear::forward(const float*, const float*, float*, int64_t, int64_t, int64_t, Stream);
template void Linear::forward(const BFloat16*, const BFloat16*, float*, int64_t, int64_t, int64_t, Stream);
template void Linear::forward(const BFloat16*, const BFloat16*, BFloat16*, int64_t, int64_t, int64_t, Stream);
template void Linear::dgrad(const float*, const float*, float*, int64_t, int64_t, int64_t, Stream, bool);
template void Linear::dgrad(const BFloat16*, const BFloat16*, BFloat16*, int64_t, int64_t, int64_t, Stream, bool);
template void Linear::wgrad(const float*, const float*, float*, int64_t, int64_t, int64_t, Stream, bool);
template void Linear::wgrad(const BFloat16*, const BFloat16*, BFloat16*, int64_t, int64_t, int64_t, Stream, bool);

}  // namespace moesaic::executor::cuda
