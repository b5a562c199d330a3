#pragma once
// A row of a matrix as 16-byte vectors that the threads of a block take in turn: thread t those at t, t + kRowThreads,
// ... It launches nothing.

#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"

namespace moesaic::executor::cuda {

constexpr int kWaveThreads = 132 * 2048;  // H100 SXM and H200: 132 multiprocessors, each with at most 2048 threads

/// Blocks of kRowThreads that take rows in turn: as many as run at once.
template <int kRowThreads>
unsigned row_blocks(int64_t m) {
  return static_cast<unsigned>(std::min<int64_t>(m, kWaveThreads / kRowThreads));
}

/// Whether rows of h elements can be read as vectors from all of the pointers.
template <typename Element, typename... More>
bool rows_of_vectors(int64_t h, const Element* x, const More*... more) {
  return h % Vector<Element>::kElements == 0 && aligned_for_vectors(x, more...);
}

/// Threads that hold a row of h elements at `items` vectors each.
template <typename Element>
int64_t threads_to_hold(int64_t h, int64_t items) {
  const int64_t elements = items * Vector<Element>::kElements;
  return (h + elements - 1) / elements;
}

/// What a thread moves where a Vector does not fit.
template <typename Element>
struct Single {
  static constexpr int kElements = 1;
  Element element[1];
};

/// A thread's vectors of a row, up to kItems of them: the row stays in registers while it is needed again.
template <typename Element, int kRowThreads, int kItems>
struct HeldRow {
  Vector<Element> item[kItems];

  __device__ void read(const Element* row, int count) {
    for (int i = 0; i < kItems; ++i)
      if (at(i) < count) item[i] = vectors(row)[at(i)];
  }
  __device__ static int at(int i) { return i * kRowThreads + static_cast<int>(threadIdx.x); }
};

}  // namespace moesaic::executor::cuda
