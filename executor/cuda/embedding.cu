#include "executor/cuda/embedding.h"
#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/order_tokens.h"
#include "executor/cuda/row_vectors.cuh"

namespace moesaic::executor::cuda {
namespace {

/// Words are the elements of a row, or its 16-byte vectors.
template <typename Word>
__global__ void look_up(const int32_t* tokens, const Word* table, Word* x, int64_t h) {
  const int64_t from = tokens[blockIdx.x] * h, to = blockIdx.x * h;
  for (int64_t j = threadIdx.x; j < h; j += blockDim.x) x[to + j] = table[from + j];
}

/// pieces [parts, m, width]; x [m, parts * width]. One block per row of a piece.
template <typename Word, bool kJoin>
__global__ void move_columns(const Word* from, Word* to, int64_t m, int64_t width, int64_t parts) {
  const int64_t row = blockIdx.x % m, part = blockIdx.x / m;
  const int64_t in_pieces = blockIdx.x * width, in_x = (row * parts + part) * width;
  for (int64_t j = threadIdx.x; j < width; j += blockDim.x)
    to[(kJoin ? in_x : in_pieces) + j] = from[(kJoin ? in_pieces : in_x) + j];
}

constexpr int kBatch = 8;  // rows of one token whose reads are under way at once

/// The words at one column of dtable's row, and of the run's rows added to it; a row has `words` of them.
template <typename Element, typename Word>
__device__ void add_run(const int32_t* positions, int64_t run, const Word* dx, Word* drow, int64_t words) {
  Word word = *drow;
  float sum[Word::kElements];
  for (int e = 0; e < Word::kElements; ++e) sum[e] = load(word.element[e]);
  for (int64_t first = 0; first < run; first += kBatch) {
    Word batch[kBatch];
    for (int i = 0; i < kBatch; ++i)
      if (first + i < run) batch[i] = dx[positions[first + i] * words];
    for (int i = 0; i < kBatch; ++i)
      if (first + i < run)
        for (int e = 0; e < Word::kElements; ++e) sum[e] += load(batch[i].element[e]);
  }
  for (int e = 0; e < Word::kElements; ++e) word.element[e] = store<Element>(sum[e]);
  *drow = word;
}

/// The block of a token's first place in the order adds all of its rows; the others leave.
template <typename Element, typename Word>
__global__ void add_back(TokenOrder order, const Element* dx, Element* dtable, int64_t m, int64_t words) {
  const int64_t first = blockIdx.x, column = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  const int32_t token = order.tokens[first];
  if (column >= words || (first > 0 && order.tokens[first - 1] == token)) return;
  int64_t end = first + 1;
  while (end < m && order.tokens[end] == token) ++end;
  add_run<Element>(order.positions + first, end - first, reinterpret_cast<const Word*>(dx) + column,
                   reinterpret_cast<Word*>(dtable) + token * words + column, words);
}

constexpr int kMaxThreads = 512;  // a row of 4096 bf16 in one access per thread

int threads_for(int64_t words) {
  return static_cast<int>(std::clamp<int64_t>((words + 31) / 32 * 32, 32, kMaxThreads));
}

template <typename Element, bool kJoin>
void launch_move(const Element* from, Element* to, int64_t m, int64_t h, int64_t parts, Stream stream) {
  if (m == 0) return;
  using Pack = Vector<Element>;
  const auto blocks = static_cast<unsigned>(m * parts);
  int64_t width = h / parts;
  if (width % Pack::kElements != 0 || !aligned_for_vectors(from, to))
    return launch_kernel(move_columns<Element, kJoin>, blocks, threads_for(width), stream, from, to, m, width, parts);
  width /= Pack::kElements;
  launch_kernel(move_columns<Pack, kJoin>, blocks, threads_for(width), stream, vectors(from), vectors(to), m, width,
                parts);
}

}  // namespace

template <typename Element>
void embedding_forward(const int32_t* tokens, const Element* table, Element* x, int64_t m, int64_t h, Stream stream) {
  if (m == 0 || h == 0) return;
  using Pack = Vector<Element>;
  const auto blocks = static_cast<unsigned>(m);
  if (h % Pack::kElements != 0 || !aligned_for_vectors(table, x))
    return launch_kernel(look_up<Element>, blocks, threads_for(h), stream, tokens, table, x, h);
  h /= Pack::kElements;
  launch_kernel(look_up<Pack>, blocks, threads_for(h), stream, tokens, vectors(table), vectors(x), h);
}

template <typename Element>
void embedding_backward(const int32_t* tokens, const Element* dx, Element* dtable, int64_t m, int64_t h, int64_t v,
                        StreamScratch& scratch, Stream stream) {
  if (m == 0 || h == 0) return;
  constexpr int kElements = Vector<Element>::kElements;
  const bool as_vectors = h % kElements == 0 && aligned_for_vectors(dx, dtable);
  const int64_t words = as_vectors ? h / kElements : h;
  const int threads = threads_for(words);
  const dim3 blocks(static_cast<unsigned>(m), static_cast<unsigned>((words + threads - 1) / threads));
  launch_kernel(as_vectors ? add_back<Element, Vector<Element>> : add_back<Element, Single<Element>>, blocks, threads,
                stream, order_tokens(tokens, m, v, scratch, stream), dx, dtable, m, words);
}

template <typename Element>
void join_columns(const Element* pieces, Element* x, int64_t m, int64_t h, int64_t parts, Stream stream) {
  launch_move<Element, true>(pieces, x, m, h, parts, stream);
}

template <typename Element>
void split_columns(const Element* x, Element* pieces, int64_t m, int64_t h, int64_t parts, Stream stream) {
  launch_move<Element, false>(x, pieces, m, h, parts, stream);
}

template void embedding_forward(const int32_t*, const float*, float*, int64_t, int64_t, Stream);
template void embedding_forward(const int32_t*, const BFloat16*, BFloat16*, int64_t, int64_t, Stream);
template void embedding_backward(const int32_t*, const float*, float*, int64_t, int64_t, int64_t, StreamScratch&,
                                 Stream);
template void embedding_backward(const int32_t*, const BFloat16*, BFloat16*, int64_t, int64_t, int64_t, StreamScratch&,
                                 Stream);
template void join_columns(const float*, float*, int64_t, int64_t, int64_t, Stream);
template void join_columns(const BFloat16*, BFloat16*, int64_t, int64_t, int64_t, Stream);
template void split_columns(const float*, float*, int64_t, int64_t, int64_t, Stream);
template void split_columns(const BFloat16*, BFloat16*, int64_t, int64_t, int64_t, Stream);

}  // namespace moesaic::executor::cuda
