#include "executor/benchmark/raw_products.h"

#include <algorithm>
#include <cstdlib>
#include <dnnl.hpp>
#include <unordered_map>

#include "executor/backend/large_pages.h"

namespace moesaic::executor {

struct RawProducts::Product {
  dnnl::matmul primitive;
  std::unordered_map<int, dnnl::memory> arguments;
};

struct RawProducts::Library {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

/// Operands are shared between products as they are in the layer: what one leaves in the cache, another finds.
RawProducts::RawProducts(const LayerShape& shape, const std::vector<int64_t>& rows, bool backward)
    : library_(std::make_unique<Library>()) {
  const int64_t tokens = shape.tokens / shape.ranks, h = shape.hidden, f = shape.intermediate, e = shape.experts;
  const bool bf16 = shape.dtype == DType::bf16;
  struct Slot {
    Matrix x, activated, up, down;  // operands of products
    Matrix hidden, out;             // their results
  };
  const Matrix z = matrix(tokens, h, false), router = matrix(e, h, false), logits = matrix(tokens, e, false);
  std::vector<Slot> slots;
  for (int64_t r : rows) {
    if (r == 0) continue;
    slots.push_back({matrix(r, h, bf16), matrix(r, f, bf16), matrix(f, h, bf16), matrix(h, f, bf16),
                     matrix(r, f, false), matrix(r, h, false)});
  }
  forward(z, router, logits);  // f32 always
  for (const Slot& slot : slots) {
    forward(slot.x, slot.up, slot.hidden);
    forward(slot.activated, slot.down, slot.out);
  }
  if (!backward) return;
  std::vector<Matrix> d_out, d_hidden;
  for (const Slot& slot : slots) {
    d_out.push_back(matrix(slot.x.rows, h, bf16));
    d_hidden.push_back(matrix(slot.x.rows, f, bf16));
    dgrad(d_out.back(), slot.down, slot.hidden, false);
    dgrad(d_hidden.back(), slot.up, slot.out, false);
  }
  for (size_t i = 0; i < slots.size(); ++i) {
    wgrad(d_hidden[i], slots[i].x, matrix(f, h, false));
    wgrad(d_out[i], slots[i].activated, matrix(h, f, false));
  }
  dgrad(logits, router, matrix(tokens, h, false), true);
  wgrad(logits, z, matrix(e, h, false));
}

RawProducts::~RawProducts() {
  for (void* data : memory_) std::free(data);
}

/// Small values: sums that accumulate over thousands of runs must stay finite. In large pages, as the layer's arrays
/// are.
RawProducts::Matrix RawProducts::matrix(int64_t rows, int64_t columns, bool bf16) {
  constexpr size_t kAlignment = 64, kSlab = 32 << 20;  // bytes
  const auto elements = static_cast<size_t>(rows * columns);
  const size_t bytes = (elements * (bf16 ? 2 : 4) + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes > slab_left_) {
    slab_left_ = std::max(kSlab, bytes);
    memory_.push_back(allocate_in_large_pages(slab_left_, kAlignment));
    slab_ = static_cast<std::byte*>(memory_.back());
  }
  void* data = slab_;
  slab_ += bytes;
  slab_left_ -= bytes;
  if (bf16)
    std::fill_n(static_cast<uint16_t*>(data), elements, uint16_t{0x3C00});  // the upper half of 0.0078125f
  else
    std::fill_n(static_cast<float*>(data), elements, 0.0078125f);
  return {data, rows, columns, bf16};
}

void RawProducts::forward(const Matrix& x, const Matrix& w, const Matrix& y) { add(x, false, w, true, y, false); }

void RawProducts::dgrad(const Matrix& dy, const Matrix& w, const Matrix& dx, bool accumulate) {
  add(dy, false, w, false, dx, accumulate);
}

void RawProducts::wgrad(const Matrix& dy, const Matrix& x, const Matrix& dw) { add(dy, true, x, false, dw, true); }

void RawProducts::add(const Matrix& a, bool transpose_a, const Matrix& b, bool transpose_b, const Matrix& c,
                      bool accumulate) {
  using Memory = dnnl::memory;
  const auto type = a.bf16 ? Memory::data_type::bf16 : Memory::data_type::f32;
  const auto described = [&](const Matrix& matrix, bool transposed) {
    if (transposed) return Memory::desc({matrix.columns, matrix.rows}, type, Memory::dims{1, matrix.columns});
    return Memory::desc({matrix.rows, matrix.columns}, type, Memory::dims{matrix.columns, 1});
  };
  const Memory::desc a_desc = described(a, transpose_a), b_desc = described(b, transpose_b);
  const Memory::desc c_desc({c.rows, c.columns}, Memory::data_type::f32, Memory::dims{c.columns, 1});
  dnnl::primitive_attr attributes;
  if (accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  const dnnl::engine& engine = library_->engine;
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a_desc, b_desc, c_desc), attributes, engine);
  products_.push_back({dnnl::matmul(description),
                       {{DNNL_ARG_SRC, Memory(a_desc, engine, a.data)},
                        {DNNL_ARG_WEIGHTS, Memory(b_desc, engine, b.data)},
                        {DNNL_ARG_DST, Memory(c_desc, engine, c.data)}}});
  const int64_t k = transpose_a ? a.rows : a.columns;
  flops_ += 2.0 * static_cast<double>(c.rows) * static_cast<double>(c.columns) * static_cast<double>(k);
}

void RawProducts::run() {
  for (Product& product : products_) product.primitive.execute(library_->stream, product.arguments);
  library_->stream.wait();
}

}  // namespace moesaic::executor
