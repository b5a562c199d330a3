#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/row_vectors.cuh"
#include "executor/cuda/swiglu.h"

namespace moesaic::executor::cuda {
namespace {

constexpr float kLog2E = 1.44269504088896341f;

__device__ float sigmoid(float x) { return 1.0f / (1.0f + exp2f(-kLog2E * x)); }

/// The place of a thread's word: rows are cut into tiles of one word per thread. 2^31 blocks are more than memory
/// holds.
struct Place {
  int64_t row, column;
};
__device__ Place place_of_thread(int tiles) {
  return {blockIdx.x / static_cast<unsigned>(tiles),
          static_cast<int64_t>(blockIdx.x % static_cast<unsigned>(tiles)) * blockDim.x + threadIdx.x};
}

/// words: of a row of y.
template <typename Element, typename Word>
__global__ void gated(const Word* gate_up, Word* y, int64_t words, int tiles) {
  const auto [row, column] = place_of_thread(tiles);
  if (column >= words) return;
  const Word gate = gate_up[2 * row * words + column], up = gate_up[(2 * row + 1) * words + column];
  Word result;
  for (int e = 0; e < Word::kElements; ++e) {
    const float g = load(gate.element[e]);
    result.element[e] = store<Element>(g * sigmoid(g) * load(up.element[e]));
  }
  y[row * words + column] = result;
}

template <typename Element, typename Word>
__global__ void gated_gradient(const Word* dy, const Word* gate_up, Word* dgate_up, int64_t words, int tiles) {
  const auto [row, column] = place_of_thread(tiles);
  if (column >= words) return;
  const int64_t at_gate = 2 * row * words + column, at_up = at_gate + words;
  const Word d = dy[row * words + column], gate = gate_up[at_gate], up = gate_up[at_up];
  Word dgate, dup;
  for (int e = 0; e < Word::kElements; ++e) {
    const float di = load(d.element[e]), g = load(gate.element[e]), s = sigmoid(g);
    dgate.element[e] = store<Element>(di * load(up.element[e]) * s * (1.0f + g * (1.0f - s)));
    dup.element[e] = store<Element>(di * g * s);
  }
  dgate_up[at_gate] = dgate;
  dgate_up[at_up] = dup;
}

/// Calls launch(words of a row, tiles of a row, blocks).
template <typename Launch>
void tile_rows(int64_t m, int64_t words, Launch launch) {
  const auto tiles = static_cast<int>((words + kThreads - 1) / kThreads);
  if (m * tiles > 0) launch(words, tiles, static_cast<unsigned>(m * tiles));
}

}  // namespace

template <typename Element>
void swiglu_forward(const Element* gate_up, Element* y, int64_t m, int64_t f, Stream stream) {
  const auto run = [&]<typename Word>(Word) {
    tile_rows(m, f / Word::kElements, [&](int64_t words, int tiles, unsigned blocks) {
      launch_kernel(gated<Element, Word>, blocks, kThreads, stream, reinterpret_cast<const Word*>(gate_up),
                    reinterpret_cast<Word*>(y), words, tiles);
    });
  };
  rows_of_vectors(f, gate_up, y) ? run(Vector<Element>{}) : run(Single<Element>{});
}

template <typename Element>
void swiglu_backward(const Element* dy, const Element* gate_up, Element* dgate_up, int64_t m, int64_t f,
                     Stream stream) {
  const auto run = [&]<typename Word>(Word) {
    tile_rows(m, f / Word::kElements, [&](int64_t words, int tiles, unsigned blocks) {
      launch_kernel(gated_gradient<Element, Word>, blocks, kThreads, stream, reinterpret_cast<const Word*>(dy),
                    reinterpret_cast<const Word*>(gate_up), reinterpret_cast<Word*>(dgate_up), words, tiles);
    });
  };
  rows_of_vectors(f, dy, gate_up, dgate_up) ? run(Vector<Element>{}) : run(Single<Element>{});
}

template void swiglu_forward(const float*, float*, int64_t, int64_t, Stream);
template void swiglu_forward(const BFloat16*, BFloat16*, int64_t, int64_t, Stream);
template void swiglu_backward(const float*, const float*, float*, int64_t, int64_t, Stream);
template void swiglu_backward(const BFloat16*, const BFloat16*, BFloat16*, int64_t, int64_t, Stream);

}  // namespace moesaic::executor::cuda
