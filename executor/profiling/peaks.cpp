#include "executor/profiling/peaks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "core/schema/error.h"
#include "core/schema/hash.h"
#include "core/schema/temporary_folder.h"
#include "executor/backend/host_memory.h"
#include "executor/cpu/bfloat16.h"
#include "executor/profiling/timed.h"
#include "executor/store/storage_rates.h"

namespace moesaic::executor {
namespace {

constexpr int kDiskRates = 3;       // laying out, writing, reading
constexpr Seconds kDiskRest = 0.3;  // single reads, the blocks that are last in flight
constexpr int64_t kEdge =
    1536;  // of the square matrices: three of them exceed a core's cache, kernels reach their peak

/// Random values: constant ones draw less power and flatter a GPU's clocks. They repeat every 2^18 elements, which no
/// clock notices and which takes a fraction of the time to make.
class DeviceBuffer {
 public:
  DeviceBuffer(Backend& backend, DType dtype, int64_t elements)
      : backend_(backend), data_(backend.allocate(bytes_of(dtype, elements))) {
    constexpr int64_t kBlock = int64_t{1} << 18;
    std::vector<float> values(static_cast<size_t>(std::min(elements, kBlock)));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(splitmix64(i) >> 40) * 0x1p-24f - 0.5f;
    std::vector<cpu::BFloat16> rounded(dtype == DType::bf16 ? values.size() : 0);
    cpu::round_to_bf16(values.data(), rounded.data(), static_cast<int64_t>(rounded.size()));
    const void* block = rounded.empty() ? static_cast<const void*>(values.data()) : rounded.data();
    for (int64_t at = 0; at < elements; at += kBlock)
      backend.copy(Lane::compute, static_cast<char*>(data_) + bytes_of(dtype, at), block,
                   bytes_of(dtype, std::min(kBlock, elements - at)));
  }
  ~DeviceBuffer() { backend_.release(data_); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  void* data() const { return data_; }

 private:
  Backend& backend_;
  void* data_;
};

Measure busy(Lane lane, Bench& bench, Backend& backend, std::function<void()> work) {
  return [lane, &bench, &backend, work = std::move(work)] {
    backend.settle();
    bench.barrier();
    return bench.mean_over_ranks(timed(lane, backend, work));
  };
}

int64_t edge_for(const Backend& backend) {
  if (backend.runs_inline()) return kEdge;
  const double elements = 8.0 * static_cast<double>(backend.cache_bytes()) / (3 * sizeof(float));
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::sqrt(elements))));
}

Bytes source_bytes(const Machine& machine, Bench& bench, const Backend& backend) {
  if (backend.cache_bytes() > 0) return backend.cache_bytes();
  return std::max(machine.last_cache_bytes / bench.all().size(), machine.core_cache_bytes);
}

/// One product with all that its launch refers to.
struct Product {
  Product(DType dtype, int64_t edge, Backend& backend)
      : stored(backend.runs_inline() ? DType::f32 : dtype),
        x(backend, stored, edge * edge),
        weight(backend, stored, edge * edge),
        y(backend, stored, edge * edge),
        reads{{0, x.data(), edge, edge, stored}, {1, weight.data(), 1, edge * edge, stored}},
        writes{{2, y.data(), edge, edge, stored}},
        context(make_step_context(graph, plan, 0)) {
    task.op = Op::linear;
    task.dtype = dtype;
    task.fixed_rows = task.shape.n = task.shape.k = edge;
  }
  const DType stored;
  const DeviceBuffer x, weight, y;
  const TaskGraph graph;
  const Plan plan;
  Task task;
  const std::vector<Operand> reads, writes;
  const StepContext context;
};

}  // namespace

double matmul_flops(const Backend& backend) {
  OpShape shape;
  shape.n = shape.k = edge_for(backend);
  return flops_of(Op::linear, shape, shape.n);
}

Measure open_matmul(DType dtype, Bench& bench, Backend& backend) {
  const auto product = std::make_shared<Product>(dtype, edge_for(backend), backend);
  return busy(Lane::compute, bench, backend, [product, &backend] {
    backend.launch({product->task, product->reads, product->writes, {}, product->context});
  });
}

Bytes copied_bytes(const Machine& machine, Bench& bench, const Backend& backend) {
  return 2 * source_bytes(machine, bench, backend);
}

Measure open_copy(const Machine& machine, Bench& bench, Backend& backend) {
  const Bytes bytes = source_bytes(machine, bench, backend);
  const int64_t elements = bytes / static_cast<Bytes>(sizeof(float));
  const auto from = std::make_shared<DeviceBuffer>(backend, DType::f32, elements),
             to = std::make_shared<DeviceBuffer>(backend, DType::f32, elements);
  return busy(Lane::compute, bench, backend,
              [from, to, bytes, &backend] { backend.copy(Lane::compute, to->data(), from->data(), bytes); });
}

Measure open_host_copy(Lane lane, Bytes bytes, Bench& bench, Backend& backend) {
  const auto device = std::make_shared<DeviceBuffer>(backend, DType::f32, bytes / static_cast<Bytes>(sizeof(float)));
  const auto host = std::make_shared<HostMemory>(backend, bytes);
  std::memset(host->data(), 1, static_cast<size_t>(bytes));
  return busy(lane, bench, backend, [lane, device, host, bytes, &backend] {
    const bool in = lane == Lane::copy_in;
    backend.copy(lane, in ? device->data() : host->data(), in ? host->data() : device->data(), bytes);
  });
}

Link host_link_of(const Seconds (&small)[2], const Seconds (&large)[2]) {
  const Seconds least = std::max(small[0], small[1]), most = std::max(large[0], large[1]);
  return {static_cast<double>(kHostCopy - kSmallHostCopy) / std::max(most - least, 1e-9), least, 0};
}

Seconds disk_seconds(Seconds per_rate) { return kDiskRates * per_rate + kDiskRest; }
Seconds disk_rate_within(Seconds seconds) { return (seconds - kDiskRest) / kDiskRates; }

void measure_disk(Seconds per_rate, Cluster& cluster) {
  try {
    const std::string folder = temporary_folder();
    const StorageRates rates = measure_storage(folder, per_rate);
    cluster.storage_bytes = static_cast<Bytes>(std::filesystem::space(folder).available);
    cluster.storage_read_bytes_per_s = rates.read_bytes_per_s;
    cluster.storage_write_bytes_per_s = rates.write_bytes_per_s;
  } catch (const DeviceError&) {
    cluster.storage_bytes = 0;
  }
}

}  // namespace moesaic::executor
