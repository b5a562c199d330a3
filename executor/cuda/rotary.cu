#include "executor/cuda/rotary.h"

#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

/// What one thread turns at once: the first or the second halves of adjacent pairs.
template <typename Element, int Width>
struct alignas(sizeof(Element) * Width) Pack {
  Element element[Width];
};

template <typename Element>
struct Rows {
  const Element* x;
  Element* y;
  int64_t x_stride, y_stride;
};

// One block per row; a thread takes Width adjacent pairs of a head at a time.
template <typename Element, int Width>
__global__ void turn_pairs(Rows<Element> rows, const float* angles, int64_t seq, int64_t heads, int64_t half,
                           float sign) {
  using Packed = Pack<Element, Width>;
  const int64_t row = blockIdx.x, of_head = half / Width;
  const float* cosines = angles + row % seq * 2 * half;
  for (int64_t item = threadIdx.x; item < heads * of_head; item += kThreads) {
    const int64_t pair = item % of_head * Width, at = item / of_head * 2 * half + pair;
    const Element* x = rows.x + row * rows.x_stride + at;
    Element* y = rows.y + row * rows.y_stride + at;
    Packed first = *reinterpret_cast<const Packed*>(x), second = *reinterpret_cast<const Packed*>(x + half);
    for (int i = 0; i < Width; ++i) {
      const float cos = cosines[pair + i], sin = sign * cosines[half + pair + i];
      const float a = load(first.element[i]), b = load(second.element[i]);
      first.element[i] = store<Element>(a * cos - b * sin);
      second.element[i] = store<Element>(b * cos + a * sin);
    }
    *reinterpret_cast<Packed*>(y) = first;
    *reinterpret_cast<Packed*>(y + half) = second;
  }
}

}  // namespace

template <typename Element>
void rotary(const Element* x, int64_t x_stride, Element* y, int64_t y_stride, const float* angles, int64_t rows,
            int64_t seq, int64_t heads, int64_t head_dim, Turn turn, Stream stream) {
  if (rows == 0) return;
  constexpr int kWide = Vector<Element>::kElements;
  const int64_t half = head_dim / 2;
  const bool wide = aligned_for_vectors(x, y) && half % kWide == 0 && x_stride % kWide == 0 && y_stride % kWide == 0;
  launch_kernel(wide ? turn_pairs<Element, kWide> : turn_pairs<Element, 1>, static_cast<unsigned>(rows), kThreads,
                stream, Rows<Element>{x, y, x_stride, y_stride}, angles, seq, heads, half,
                turn == Turn::forward ? 1.0f : -1.0f);
}

template void rotary(const float*, int64_t, float*, int64_t, const float*, int64_t, int64_t, int64_t, int64_t, Turn,
                     Stream);
template void rotary(const BFloat16*, int64_t, BFloat16*, int64_t, const float*, int64_t, int64_t, int64_t, int64_t,
                     Turn, Stream);

}  // namespace moesaic::executor::cuda
