#ifdef MOESAIC_HAVE_CUDNN
#include "executor/cuda/attention_graph.h"

#include <utility>

namespace moesaic::executor::cuda {
namespace {

enum class Order { rows, transposed };

/// What both graphs share: tensors by role, and the scores.
class Builder {
 public:
  Builder(CudnnGraph& graph, const AttentionPart& shape) : g_(graph), shape_(shape) {}

  /// Heads in rows of `columns` elements per token.
  int64_t packed(int64_t heads, int64_t columns, Order order = Order::rows) {
    const AttentionShape& s = shape_.part;
    Extents dims{s.batch, heads, s.seq, s.head_dim}, strides{s.seq * columns, s.head_dim, columns, 1};
    if (order == Order::transposed) {
      std::swap(dims[2], dims[3]);
      std::swap(strides[2], strides[3]);
    }
    return g_.tensor(CUDNN_DATA_BFLOAT16, dims, strides, Place::memory);
  }
  /// One number per row of scores.
  int64_t per_row(Place place) {
    const AttentionShape& s = shape_.part;
    return g_.tensor(CUDNN_DATA_FLOAT, {s.batch, s.heads, s.seq, 1}, {s.heads * s.seq, s.seq, 1, 1}, place);
  }
  int64_t scores(cudnnDataType_t type = CUDNN_DATA_FLOAT, Order order = Order::rows) {
    const AttentionShape& s = shape_.part;
    const int64_t down = order == Order::rows ? s.seq : 1, across = order == Order::rows ? 1 : s.seq;
    return g_.tensor(type, {s.batch, s.heads, s.seq, s.seq}, {s.heads * s.seq * s.seq, s.seq * s.seq, down, across},
                     Place::inside);
  }
  /// Dense, one per query head.
  int64_t per_head(int64_t heads, cudnnDataType_t type) {
    const AttentionShape& s = shape_.part;
    return g_.tensor(type, {s.batch, heads, s.seq, s.head_dim},
                     {heads * s.seq * s.head_dim, s.seq * s.head_dim, s.head_dim, 1}, Place::inside);
  }

  int64_t apply(cudnnPointwiseMode_t mode, int64_t x, int64_t b) {
    const int64_t y = scores();
    g_.pointwise(mode, x, b, y);
    return y;
  }
  int64_t apply(cudnnPointwiseMode_t mode, int64_t x) {
    const int64_t y = scores();
    g_.pointwise(mode, x, y);
    return y;
  }
  int64_t product(int64_t a, int64_t b) {
    const int64_t y = scores();
    g_.matmul(a, b, y);
    return y;
  }
  /// The scores where a query may see the key, `masked` elsewhere.
  int64_t causal(int64_t x, int64_t masked) {
    const int64_t row = scores(CUDNN_DATA_INT32), column = scores(CUDNN_DATA_INT32), y = scores();
    const int64_t seen = scores(CUDNN_DATA_BOOLEAN);
    g_.row_index(x, row);
    g_.column_index(x, column);
    g_.greater_equal(row, column, seen);
    g_.select(x, masked, seen, y);
    return y;
  }
  /// gradient [kv heads] = sum over the heads of a group of (x^T y), x scores in f32, y [heads]
  void add_over_queries(int64_t x, int64_t y, int64_t gradient) {
    const AttentionShape& s = shape_.part;
    const int64_t transposed = scores(CUDNN_DATA_BFLOAT16, Order::transposed);
    g_.transpose(x, transposed);
    if (s.heads == s.kv_heads) return g_.matmul(transposed, y, gradient);
    const int64_t of_heads = per_head(s.heads, CUDNN_DATA_BFLOAT16);
    g_.matmul(transposed, y, of_heads);
    g_.reduce(CUDNN_REDUCE_TENSOR_ADD, of_heads, gradient);
  }

 private:
  CudnnGraph& g_;
  const AttentionPart& shape_;
};

}  // namespace

AttentionGraph forward_graph(const AttentionPart& shape) {
  const auto& [part, whole] = shape;
  AttentionGraph result;
  CudnnGraph& g = result.graph;
  Builder b(g, shape);
  const int64_t q = b.packed(part.heads, whole.turned_columns());
  const int64_t k = b.packed(part.kv_heads, whole.turned_columns(), Order::transposed);
  const int64_t v = b.packed(part.kv_heads, whole.qkv_columns()), out = b.packed(part.heads, whole.out_columns());
  const int64_t saved = b.per_row(Place::memory), scale = g.scalar(), masked = g.scalar();

  const int64_t x = b.causal(b.apply(CUDNN_POINTWISE_MUL, b.product(q, k), scale), masked);
  const int64_t max = b.per_row(Place::inside), sum = b.per_row(Place::inside), log = b.per_row(Place::inside);
  const int64_t p = b.scores(CUDNN_DATA_BFLOAT16);
  g.reduce(CUDNN_REDUCE_TENSOR_MAX, x, max);
  const int64_t exp = b.apply(CUDNN_POINTWISE_EXP, b.apply(CUDNN_POINTWISE_SUB, x, max));
  g.reduce(CUDNN_REDUCE_TENSOR_ADD, exp, sum);
  g.pointwise(CUDNN_POINTWISE_LOG, sum, log);
  g.pointwise(CUDNN_POINTWISE_ADD, max, log, saved);
  g.pointwise(CUDNN_POINTWISE_DIV, exp, sum, p);
  g.matmul(p, v, out);
  result.operands = {q, k, v, out, saved, scale, masked};
  return result;
}

AttentionGraph backward_graph(const AttentionPart& shape) {
  const auto& [part, whole] = shape;
  AttentionGraph result;
  CudnnGraph& g = result.graph;
  Builder b(g, shape);
  const int64_t q = b.packed(part.heads, whole.turned_columns());
  const int64_t k = b.packed(part.kv_heads, whole.turned_columns(), Order::transposed);
  const int64_t v = b.packed(part.kv_heads, whole.qkv_columns(), Order::transposed);
  const int64_t out = b.packed(part.heads, whole.out_columns()), dout = b.packed(part.heads, whole.out_columns());
  const int64_t saved = b.per_row(Place::memory), sums = b.per_row(Place::memory);
  const int64_t dq = b.packed(part.heads, whole.qkv_columns()), dk = b.packed(part.kv_heads, whole.qkv_columns());
  const int64_t dv = b.packed(part.kv_heads, whole.qkv_columns());
  const int64_t scale = g.scalar(), masked = g.scalar(), one = g.scalar();

  // sums = rows of dout * out; the engines expect a factor, that of dropout
  const int64_t products = b.per_head(part.heads, CUDNN_DATA_FLOAT), row_sums = b.per_row(Place::inside);
  g.pointwise(CUDNN_POINTWISE_MUL, dout, out, products);
  g.reduce(CUDNN_REDUCE_TENSOR_ADD, products, row_sums);
  g.pointwise(CUDNN_POINTWISE_MUL, row_sums, one, sums);
  // p = exp(scale q k^T - saved), dv = p^T dout
  const int64_t scaled = b.apply(CUDNN_POINTWISE_MUL, b.product(q, k), scale);
  const int64_t p = b.apply(CUDNN_POINTWISE_EXP, b.causal(b.apply(CUDNN_POINTWISE_SUB, scaled, saved), masked));
  b.add_over_queries(p, dout, dv);
  // ds = scale p (dout v^T - sums), dk = ds^T q, dq = ds k
  const int64_t dp = b.apply(CUDNN_POINTWISE_SUB, b.product(dout, v), sums);
  const int64_t ds = b.apply(CUDNN_POINTWISE_MUL, b.apply(CUDNN_POINTWISE_MUL, dp, p), scale);
  b.add_over_queries(ds, q, dk);
  const int64_t columns = whole.turned_columns(), d = part.head_dim;
  const int64_t k_rows = g.tensor(CUDNN_DATA_FLOAT, {part.batch, part.kv_heads, part.seq, d},
                                  {part.seq * columns, d, columns, 1}, Place::inside);
  g.transpose(k, k_rows);
  g.matmul(ds, k_rows, dq);
  result.operands = {q, k, v, out, dout, saved, sums, dq, dk, dv, scale, masked, one};
  return result;
}

}  // namespace moesaic::executor::cuda
#endif  // MOESAIC_HAVE_CUDNN
