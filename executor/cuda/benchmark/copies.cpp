// Times copies between host and device as the runtime makes them, through the backend and in its memory, against bare
// cudaMemcpyAsync on a stream and in memory of its own, in turns; and what copies and products cost each other when
// they run side by side.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "executor/cuda/benchmark/fastest_product.h"
#include "executor/cuda/benchmark/measure.h"
#include "executor/cuda/cuda_backend.h"

namespace moesaic::executor::cuda {
namespace {

constexpr double kBar = 0.95;  // of the bare loop
constexpr int kRounds = 15;
constexpr Bytes kMiB = Bytes{1} << 20;
constexpr Bytes kTotal = 256 * kMiB;  // of one measurement, in copies of each of the sizes below
constexpr Bytes kSizes[] = {1 * kMiB, 16 * kMiB, 256 * kMiB};

struct Direction {
  const char* name;
  Lane lane;
  cudaMemcpyKind kind;
};
constexpr Direction kDirections[] = {{"host to device", Lane::copy_in, cudaMemcpyHostToDevice},
                                     {"device to host", Lane::copy_out, cudaMemcpyDeviceToHost}};

/// Host memory that is touched, so that no copy meets a first page fault.
char* touched(void* memory) {
  auto* bytes = static_cast<char*>(memory);
  for (Bytes i = 0; i < kTotal; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
  return bytes;
}

/// The yardstick: nothing of it comes from the backend.
class BareCopies {
 public:
  BareCopies() : device_(kTotal), pageable_(touched(std::malloc(static_cast<size_t>(kTotal)))) {
    void* locked = nullptr;
    CUDA_CHECK(cudaMallocHost(&locked, static_cast<size_t>(kTotal)));
    pinned_ = touched(locked);
  }
  ~BareCopies() {
    cudaStreamSynchronize(stream_);
    cudaFreeHost(pinned_);
    std::free(pageable_);
  }
  BareCopies(const BareCopies&) = delete;
  BareCopies& operator=(const BareCopies&) = delete;

  Contender in_pieces(const Direction& direction, Bytes size, bool pinned) {
    return {stream_, [=, this, host = pinned ? pinned_ : pageable_] {
              const bool in = direction.kind == cudaMemcpyHostToDevice;
              for (Bytes at = 0; at < kTotal; at += size)
                CUDA_CHECK(cudaMemcpyAsync(in ? device_.data() + at : host + at, in ? host + at : device_.data() + at,
                                           static_cast<size_t>(size), direction.kind, stream_));
            }};
  }

 private:
  OwnStream stream_;
  Buffer<char> device_;
  char *pageable_, *pinned_ = nullptr;
};

class Copies {
 public:
  explicit Copies(const AddRow& add_row) : add_row_(add_row), backend_(0, kTotal + kMiB) {
    device_ = static_cast<char*>(backend_.allocate(kTotal));
    pinned_ = touched(backend_.allocate_host(kTotal));
    pageable_ = touched(std::malloc(static_cast<size_t>(kTotal)));
  }
  ~Copies() {
    backend_.synchronize();
    backend_.release_host(pinned_);
    backend_.release(device_);
    std::free(pageable_);
  }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;

  void measure() {
    for (const Direction& direction : kDirections) {
      for (const Bytes size : kSizes) {
        rate(direction, size, true);
        rate(direction, size, false);
      }
    }
    for (const Direction& direction : kDirections) side_by_side(direction);
  }

 private:
  /// kTotal bytes in copies of `size`.
  Contender in_pieces(const Direction& direction, Bytes size, bool pinned) {
    return {backend_.stream(direction.lane), [=, this, host = pinned ? pinned_ : pageable_] {
              const bool in = direction.kind == cudaMemcpyHostToDevice;
              for (Bytes at = 0; at < kTotal; at += size)
                backend_.copy(direction.lane, in ? device_ + at : host + at, in ? host + at : device_ + at, size);
            }};
  }

  void rate(const Direction& direction, Bytes size, bool pinned) {
    const std::vector<Seconds> seconds =
        medians_in_turns({in_pieces(direction, size, pinned), bare_.in_pieces(direction, size, pinned)}, kRounds);
    const double ratio = seconds[1] / seconds[0], rate = static_cast<double>(kTotal) / seconds[0];
    const std::string what = std::string(direction.name) + (pinned ? ", pinned" : ", pageable");
    add_row_({{"what", what},
              {"copy_bytes", size},
              {"pinned", pinned && backend_.host_staging().is_pinned(pinned_)},
              {"seconds", seconds[0]},
              {"bytes_per_s", rate},
              {"bare_bytes_per_s", static_cast<double>(kTotal) / seconds[1]},
              {"ratio", ratio},
              {"bar", kBar}});
    std::fprintf(stderr, "%-26s %3lld MiB %5.1f GB/s, %.2f of bare copies\n", what.c_str(),
                 static_cast<long long>(size / kMiB), rate * 1e-9, ratio);
  }

  /// Both begin together and are enqueued for as long as the other lasts alone, several times over, so that each one's
  /// median is taken while the other runs.
  void side_by_side(const Direction& direction) {
    const Stream compute = backend_.stream(Lane::compute), copies = backend_.stream(direction.lane);
    const auto product = [&] { product_.run(compute); };
    const std::function<void()> copy = in_pieces(direction, kTotal, true).work;
    const Seconds product_alone = medians_in_turns(compute, {product}, kRounds)[0];
    const Seconds copy_alone = medians_in_turns(copies, {copy}, kRounds)[0];
    constexpr double kSlack = 3;  // what stands behind must outlast a slower one in front
    const auto background = [&](const std::function<void()>& work, Seconds each, Seconds lasts) {
      for (Seconds t = 0; t < kSlack * lasts; t += each) work();
    };
    background(copy, copy_alone, kRounds * product_alone);
    const Seconds product_beside = many(compute, product) / kRounds;
    const bool copies_lasted = is_busy(copies);
    backend_.synchronize();
    background(product, product_alone, kRounds * copy_alone);
    const Seconds copy_beside = many(copies, copy) / kRounds;
    const bool products_lasted = is_busy(compute);
    backend_.synchronize();
    add_row_({{"what", std::string("product and copies ") + direction.name},
              {"product_seconds", product_alone},
              {"product_seconds_beside_copies", product_beside},
              {"product_slowdown", product_beside / product_alone},
              {"copy_seconds", copy_alone},
              {"copy_seconds_beside_products", copy_beside},
              {"copy_slowdown", copy_beside / copy_alone},
              {"lasted_throughout", copies_lasted && products_lasted}});
    std::fprintf(stderr, "%-26s product %.2f times as long, copies %.2f\n", direction.name,
                 product_beside / product_alone, copy_beside / copy_alone);
  }

  Seconds many(Stream stream, const std::function<void()>& work) {
    return seconds_of(stream, [&] {
      for (int i = 0; i < kRounds; ++i) work();
    });
  }

  const AddRow& add_row_;
  CudaBackend backend_;
  BareCopies bare_;
  FastestProduct product_{kLargeProduct, backend_.stream(Lane::compute)};
  char *device_ = nullptr, *pinned_ = nullptr, *pageable_ = nullptr;
};

void measure(const AddRow& add_row) { Copies(add_row).measure(); }

}  // namespace
}  // namespace moesaic::executor::cuda

int main() { return moesaic::executor::cuda::print_measurements("copies", moesaic::executor::cuda::measure); }
