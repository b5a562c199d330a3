// Times copies between host and device through the backend against bare cudaMemcpyAsync, in turns; and what copies and
// products cost each other when they run side by side.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

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

class Copies {
 public:
  Copies() : backend_(0, kTotal + kMiB), device_(kTotal) {
    pinned_ = touched(backend_.host_staging().allocate(kTotal));
    pageable_ = touched(std::malloc(static_cast<size_t>(kTotal)));
  }
  ~Copies() {
    backend_.synchronize();
    backend_.host_staging().release(pinned_);
    std::free(pageable_);
  }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;

  Json measure() {
    for (const Direction& direction : kDirections) {
      for (const Bytes size : kSizes) {
        rate(direction, size, pinned_, "pinned");
        rate(direction, size, pageable_, "pageable");
      }
    }
    for (const Direction& direction : kDirections) side_by_side(direction);
    return rows_;
  }

 private:
  /// kTotal bytes in copies of `size`.
  template <typename Copy>
  void in_pieces(const Direction& direction, Bytes size, char* host, const Copy& copy) {
    const bool in = direction.kind == cudaMemcpyHostToDevice;
    for (Bytes at = 0; at < kTotal; at += size)
      copy(in ? device_.data() + at : host + at, in ? host + at : device_.data() + at, size);
  }

  void rate(const Direction& direction, Bytes size, char* host, const char* memory) {
    const Stream stream = backend_.stream(direction.lane);
    const auto ours = [&] {
      in_pieces(direction, size, host,
                [&](void* to, const void* from, Bytes n) { backend_.copy(direction.lane, to, from, n); });
    };
    const auto bare = [&] {
      in_pieces(direction, size, host, [&](void* to, const void* from, Bytes n) {
        CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<size_t>(n), direction.kind, stream));
      });
    };
    const std::vector<Seconds> seconds = medians_in_turns(stream, {ours, bare}, kRounds);
    const double ratio = seconds[1] / seconds[0], rate = static_cast<double>(kTotal) / seconds[0];
    rows_.push_back({{"what", std::string(direction.name) + ", " + memory},
                     {"copy_bytes", size},
                     {"pinned", backend_.host_staging().is_pinned(host)},
                     {"seconds", seconds[0]},
                     {"bytes_per_s", rate},
                     {"bare_bytes_per_s", static_cast<double>(kTotal) / seconds[1]},
                     {"ratio", ratio},
                     {"bar", kBar}});
    std::fprintf(stderr, "%-26s %3lld MiB %5.1f GB/s, %.2f of bare copies\n",
                 rows_.back()["what"].get<std::string>().c_str(), static_cast<long long>(size / kMiB), rate * 1e-9,
                 ratio);
  }

  /// Both begin together and are enqueued for as long as the other lasts alone, several times over, so that each one's
  /// median is taken while the other runs.
  void side_by_side(const Direction& direction) {
    const Stream compute = backend_.stream(Lane::compute), copies = backend_.stream(direction.lane);
    const auto product = [&] { product_.run(backend_.linear(), compute); };
    const auto copy = [&] {
      in_pieces(direction, kTotal, pinned_,
                [&](void* to, const void* from, Bytes n) { backend_.copy(direction.lane, to, from, n); });
    };
    const Seconds product_alone = medians_in_turns(compute, {product}, kRounds)[0];
    const Seconds copy_alone = medians_in_turns(copies, {copy}, kRounds)[0];
    constexpr double kSlack = 3;  // what stands behind must outlast a slower one in front
    const auto background = [&](const std::function<void()>& work, Seconds each, Seconds lasts) {
      for (Seconds t = 0; t < kSlack * lasts; t += each) work();
    };
    background(copy, copy_alone, kRounds * product_alone);
    const Seconds product_beside = many(compute, product) / kRounds;
    const bool copies_lasted = cudaStreamQuery(copies) == cudaErrorNotReady;
    backend_.synchronize();
    background(product, product_alone, kRounds * copy_alone);
    const Seconds copy_beside = many(copies, copy) / kRounds;
    const bool products_lasted = cudaStreamQuery(compute) == cudaErrorNotReady;
    backend_.synchronize();
    rows_.push_back({{"what", std::string("product and copies ") + direction.name},
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

  CudaBackend backend_;
  Buffer<char> device_;
  ProductYardstick product_;
  char *pinned_ = nullptr, *pageable_ = nullptr;
  Json rows_ = Json::array();
};

Json measure() { return Copies().measure(); }

}  // namespace
}  // namespace moesaic::executor::cuda

int main() { return moesaic::executor::cuda::print_measurements("copies", moesaic::executor::cuda::measure); }
