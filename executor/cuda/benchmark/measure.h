#pragma once
// What the programs of this folder share: device memory with random contents, times by events, contenders in turns, and
// one JSON document on stdout. It knows no operator and no yardstick.

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/schema/bfloat16.h"
#include "core/schema/units.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

using Json = nlohmann::json;

/// Device memory until the end of the scope. Contents are undefined.
template <typename T>
class Buffer {
 public:
  explicit Buffer(int64_t count) : count_(count) {
    CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data_), static_cast<size_t>(bytes())));
  }
  ~Buffer() { cudaFree(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* data() const { return data_; }
  int64_t count() const { return count_; }
  Bytes bytes() const { return count_ * static_cast<Bytes>(sizeof(T)); }
  void copy_from(const std::vector<T>& values) {
    CUDA_CHECK(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  }

 private:
  int64_t count_;
  T* data_ = nullptr;
};

/// Random values, uniform in [-width, width]: a product of zeros runs faster than one of numbers. A stretch of 2^20 of
/// them repeats. Element: float, BFloat16.
template <typename Element>
void fill_random(const Buffer<Element>& buffer, float width);

/// Uniform in [0, end).
std::vector<int32_t> random_ints(int64_t count, int32_t end);

/// A stream until the end of the scope.
class OwnStream {
 public:
  OwnStream() { CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~OwnStream() { cudaStreamDestroy(stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  operator Stream() const { return stream_; }

 private:
  Stream stream_ = nullptr;
};

/// Between two events around what `work` appends to the stream; waits for it.
Seconds seconds_of(Stream stream, const std::function<void()>& work);

/// Whether something that was appended has not ended yet.
bool is_busy(Stream stream);

struct Contender {
  Stream stream;
  std::function<void()> work;  // appends to the stream
};

/// Medians of `rounds` times of each contender. They take turns, so that a clock that drifts meets all of them; three
/// rounds before warm up.
std::vector<Seconds> medians_in_turns(const std::vector<Contender>& contenders, int rounds);
/// All on one stream.
std::vector<Seconds> medians_in_turns(Stream stream, const std::vector<std::function<void()>>& works, int rounds);

using AddRow = std::function<void(const Json& row)>;

/// main() of a program. After every row it prints {"benchmark", "device", "rows"} with all rows so far, as one line:
/// the last whole one counts, so a program that is ended at its limit loses little. Exit code 77 and a message without
/// a GPU, 1 after an exception. A row has a "ratio" and its "bar" where one is set.
int print_measurements(const std::string& name, const std::function<void(const AddRow&)>& measure);

}  // namespace moesaic::executor::cuda
