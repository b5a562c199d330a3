#pragma once
// The matrix products of one rank's MoE layer and nothing else, straight in oneDNN: one primitive per product, made
// beforehand for the exact row counts, on operands that are already rounded. The yardstick of the layer.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "executor/benchmark/layer_graph.h"

namespace moesaic::executor {

class RawProducts {
 public:
  /// `rows` [slots]: rows of each expert slot of this rank. Uses as many threads as OpenMP gives the calling thread.
  RawProducts(const LayerShape& shape, const std::vector<int64_t>& rows, bool backward);
  ~RawProducts();

  void run();
  double flops() const { return flops_; }

 private:
  struct Product;
  struct Library;
  struct Matrix {
    void* data;
    int64_t rows, columns;  // as stored
    bool bf16;
  };
  Matrix matrix(int64_t rows, int64_t columns, bool bf16);
  void forward(const Matrix& x, const Matrix& w, const Matrix& y);                   // y = x w^T
  void dgrad(const Matrix& dy, const Matrix& w, const Matrix& dx, bool accumulate);  // dx (+)= dy w
  void wgrad(const Matrix& dy, const Matrix& x, const Matrix& dw);                   // dw += dy^T x
  void add(const Matrix& a, bool transpose_a, const Matrix& b, bool transpose_b, const Matrix& c, bool accumulate);

  std::unique_ptr<Library> library_;
  std::vector<Product> products_;
  std::vector<void*> memory_;
  std::byte* slab_ = nullptr;  // the free rest of the last one
  size_t slab_left_ = 0;       // bytes
  double flops_ = 0;
};

}  // namespace moesaic::executor
