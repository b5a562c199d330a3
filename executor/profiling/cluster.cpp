// The cluster document of this machine: peaks and bandwidths while all ranks are busy.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/schema/error.h"
#include "core/schema/hash.h"
#include "executor/cpu/bfloat16.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/profiling/bench.h"
#include "executor/profiling/machine.h"
#include "executor/profiling/message_bench.h"
#include "executor/profiling/profile.h"
#include "executor/store/storage_rates.h"

namespace moesaic::executor {
namespace {

constexpr int kRepetitions = 7;
constexpr int64_t kEdge =
    1536;  // of the square matrices: three of them exceed a core's cache, kernels reach their peak
constexpr Bytes kHostCopy = Bytes{128} << 20, kSmallHostCopy = Bytes{4} << 10;
constexpr int kCachesPerCopy = 2;  // source alone is twice the last-level cache

/// Random values: constant ones draw less power and flatter a GPU's clocks.
class DeviceBuffer {
 public:
  DeviceBuffer(Backend& backend, DType dtype, int64_t elements) : backend_(backend), data_(nullptr) {
    std::vector<float> values(static_cast<size_t>(elements));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(splitmix64(i) >> 40) * 0x1p-24f - 0.5f;
    std::vector<BFloat16> rounded(dtype == DType::bf16 ? values.size() : 0);
    cpu::round_to_bf16(values.data(), rounded.data(), static_cast<int64_t>(rounded.size()));
    data_ = backend.allocate(bytes_of(dtype, elements));
    backend.copy(Lane::compute, data_, rounded.empty() ? static_cast<void*>(values.data()) : rounded.data(),
                 bytes_of(dtype, elements));
  }
  ~DeviceBuffer() { backend_.release(data_); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  void* data() const { return data_; }

 private:
  Backend& backend_;
  void* data_;
};

/// Of one rank while all of them do the same; the shortest, because a peak is what the machine reaches undisturbed.
Seconds busy_seconds(const std::string& name, Lane lane, Bench& bench, Backend& backend,
                     const std::function<void()>& work) {
  work();  // makes kernels, touches memory
  const auto once = [&] {
    Seconds begin = 0, end = 0;
    backend.settle();
    bench.barrier();
    backend.mark(lane, &begin);
    work();
    backend.mark(lane, &end);
    backend.settle();
    return bench.mean_over_ranks(end - begin);
  };
  return bench.sorted_samples(name, kRepetitions, once).front();
}

/// On a GPU the next power of two at which three f32 matrices are 8 times its cache: 8192 for 50 or 60 MB.
int64_t edge_for(const Backend& backend) {
  if (backend.runs_inline()) return kEdge;
  const double elements = 8.0 * static_cast<double>(backend.cache_bytes()) / (3 * sizeof(float));
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::sqrt(elements))));
}

FlopsPerSecond matmul_peak(DType dtype, Bench& bench, Backend& backend) {
  const int64_t edge = edge_for(backend);
  const DType stored = backend.runs_inline() ? DType::f32 : dtype;
  const DeviceBuffer x(backend, stored, edge * edge), weight(backend, stored, edge * edge),
      y(backend, stored, edge * edge);
  Task task;
  task.op = Op::linear;
  task.dtype = dtype;
  task.fixed_rows = task.shape.n = task.shape.k = edge;
  TaskGraph graph;
  Plan plan;
  const StepContext context = make_step_context(graph, plan, 0);
  const std::vector<Operand> reads = {{0, x.data(), edge, edge, stored}, {1, weight.data(), 1, edge * edge, stored}};
  const std::vector<Operand> writes = {{2, y.data(), edge, edge, stored}};
  const Seconds seconds = busy_seconds("matmul", Lane::compute, bench, backend, [&] {
    backend.launch({task, reads, writes, {}, context});
  });
  return flops_of(Op::linear, task.shape, edge) / seconds;
}

/// Bytes read and written by copying.
BytesPerSecond copy_bandwidth(const Machine& machine, Bench& bench, Backend& backend) {
  const Bytes bytes = kCachesPerCopy * std::max(machine.last_cache_bytes, backend.cache_bytes());
  const int64_t elements = bytes / static_cast<Bytes>(sizeof(float));
  const DeviceBuffer from(backend, DType::f32, elements), to(backend, DType::f32, elements);
  const Seconds seconds = busy_seconds("copy", Lane::compute, bench, backend,
                                       [&] { backend.copy(Lane::compute, to.data(), from.data(), bytes); });
  return 2.0 * static_cast<double>(bytes) / seconds;
}

/// From page-locked host memory to the device: the slower direction is what offloading plans must count on.
Link host_link(Bench& bench, Backend& backend) {
  const DeviceBuffer device(backend, DType::f32, kHostCopy / static_cast<Bytes>(sizeof(float)));
  void* host = backend.allocate_host(kHostCopy);
  std::memset(host, 1, static_cast<size_t>(kHostCopy));
  const auto seconds = [&](Bytes bytes) {
    const Seconds in = busy_seconds("host to device", Lane::copy_in, bench, backend,
                                    [&] { backend.copy(Lane::copy_in, device.data(), host, bytes); });
    const Seconds out = busy_seconds("device to host", Lane::copy_out, bench, backend,
                                     [&] { backend.copy(Lane::copy_out, host, device.data(), bytes); });
    return std::max(in, out);
  };
  const Seconds small = seconds(kSmallHostCopy), large = seconds(kHostCopy);
  backend.release_host(host);
  return {static_cast<double>(kHostCopy - kSmallHostCopy) / std::max(large - small, 1e-9), small, 0};
}

/// The disk behind the system's temporary folder, where expert states live whose home is storage. No storage where it
/// cannot be measured.
void measure_disk(Cluster& cluster) {
  try {
    const std::filesystem::path folder = std::filesystem::temp_directory_path();
    const StorageRates rates = measure_storage(folder.string());
    cluster.storage_bytes = static_cast<Bytes>(std::filesystem::space(folder).available);
    cluster.storage_read_bytes_per_s = rates.read_bytes_per_s;
    cluster.storage_write_bytes_per_s = rates.write_bytes_per_s;
  } catch (const DeviceError&) {
    cluster.storage_bytes = 0;
  }
}

}  // namespace

Link link_of(const Profile& profile, Seconds message_s) {
  for (const CollectiveCurve& curve : profile.collectives) {
    if (curve.collective != name_of(Op::all_to_all) || curve.bytes.size() < 2) continue;
    const Seconds smallest = *std::min_element(curve.seconds.begin(), curve.seconds.end()),
                  largest = curve.seconds.back();
    const Seconds transfer = largest > smallest ? largest - smallest : largest;
    return {static_cast<double>(curve.bytes.back()) / transfer,
            std::max(0.0, smallest - (curve.num_ranks - 1) * message_s), message_s};
  }
  return {};
}

Cluster measure_cluster(const Profile& profile, int rank, Transport& transport, Backend& backend,
                        const ProfileOptions& options) {
  MOESAIC_CHECK(rank == transport.rank(), "a rank measures through its own transport");
  const Machine machine = this_machine();
  Bench bench(transport);
  const int ranks = transport.size();
  Cluster cluster;
  cluster.name = options.name;
  cluster.source = description_of(machine) + "; measured " + current_date() +
                   (options.command.empty() ? "" : " by '" + options.command + "'");
  cluster.devices_per_node = ranks;
  cluster.device.name = options.device.empty() ? machine.processor + " core" : options.device;
  cluster.device.memory_bandwidth_bytes_per_s = copy_bandwidth(machine, bench, backend);
  cluster.device.peak_f32_flops_per_s = matmul_peak(DType::f32, bench, backend);
  cluster.device.peak_bf16_flops_per_s = matmul_peak(DType::bf16, bench, backend);
  cluster.device.lanes_share_core = backend.runs_inline();
  if (backend.runs_inline()) {
    cluster.device.memory_bytes = machine.memory_bytes / ranks;  // all of it: host memory beside it would count twice
    cluster.host_memory_bandwidth_bytes_per_s = ranks * cluster.device.memory_bandwidth_bytes_per_s;
  } else {
    cpu::CpuBackend host;
    cluster.device.memory_bytes = backend.memory_bytes();
    cluster.host_memory_bytes = machine.memory_bytes;
    cluster.host_memory_bandwidth_bytes_per_s = ranks * copy_bandwidth(machine, bench, host);
    cluster.pcie = host_link(bench, backend);
  }
  cluster.intra_node = link_of(profile, message_seconds(bench));
  if (rank == 0) measure_disk(cluster);
  return cluster;
}

}  // namespace moesaic::executor
