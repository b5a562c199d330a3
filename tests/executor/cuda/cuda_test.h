#pragma once
// A GPU for operator tests: arrays that live on the device, and a fixture that skips where there is none.
// It holds no operator and no expectation of one.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "executor/cuda/cuda_backend.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cuda {

using cpu::Doubles;
using cpu::expect_close;
using cpu::Floats;
using cpu::poisoned;
using cpu::random_floats;
using cpu::to_double;

/// A copy of a host array on the device, `offset` elements behind a 256-byte boundary.
template <typename T>
class DeviceArray {
 public:
  DeviceArray(CudaBackend& backend, const std::vector<T>& values, size_t offset = 0)
      : backend_(backend), size_(values.size()), block_(backend.allocate(bytes() + offset_bytes(offset))) {
    data_ = static_cast<T*>(block_) + offset;
    backend_.copy(Lane::compute, data_, values.data(), bytes());
    backend_.synchronize();
  }
  ~DeviceArray() { backend_.release(block_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> result(size_);
    backend_.copy(Lane::compute, result.data(), data_, bytes());
    backend_.synchronize();
    return result;
  }

 private:
  static Bytes offset_bytes(size_t offset) { return static_cast<Bytes>(offset * sizeof(T)); }
  Bytes bytes() const { return static_cast<Bytes>(size_ * sizeof(T)); }

  CudaBackend& backend_;
  size_t size_;
  void* block_;
  T* data_ = nullptr;
};

using DeviceFloats = DeviceArray<float>;
using DeviceInts = DeviceArray<int32_t>;

class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    if (device_count() == 0) GTEST_SKIP() << "no CUDA device on this machine";
    backend = std::make_unique<CudaBackend>();
    stream = backend->stream(Lane::compute);
  }

  std::unique_ptr<CudaBackend> backend;
  Stream stream = nullptr;
};

}  // namespace moesaic::executor::cuda
