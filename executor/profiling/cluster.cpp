// The cluster document of this machine: peaks and bandwidths while all ranks are busy.
#include <algorithm>
#include <filesystem>

#include "core/schema/error.h"
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
constexpr int kCachesPerCopy = 2;  // source alone is twice the last-level cache

class DeviceBuffer {
 public:
  DeviceBuffer(Backend& backend, Bytes bytes, float value) : backend_(backend), data_(backend.allocate(bytes)) {
    const std::vector<float> values(static_cast<size_t>(bytes) / sizeof(float), value);
    backend.copy(Lane::compute, data_, values.data(), bytes);
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
Seconds busy_seconds(const std::string& name, Bench& bench, Backend& backend, const std::function<void()>& work) {
  work();  // makes kernels, touches memory
  const auto once = [&] {
    bench.barrier();
    const Seconds begin = steady_seconds();
    work();
    const Event end = backend.record(Lane::compute);
    while (!backend.done(end)) {
    }
    return bench.mean_over_ranks(steady_seconds() - begin);
  };
  return bench.sorted_samples(name, kRepetitions, once).front();
}

FlopsPerSecond matmul_peak(DType dtype, Bench& bench, Backend& backend) {
  constexpr Bytes kBytes = kEdge * kEdge * static_cast<Bytes>(sizeof(float));
  const DeviceBuffer x(backend, kBytes, 0.5f), weight(backend, kBytes, 0.25f), y(backend, kBytes, 1.0f);
  Task task;
  task.op = Op::linear;
  task.dtype = dtype;
  task.fixed_rows = task.shape.n = task.shape.k = kEdge;
  TaskGraph graph;
  Plan plan;
  const StepContext context = make_step_context(graph, plan, 0);
  const std::vector<Operand> reads = {{0, x.data(), kEdge, kEdge}, {1, weight.data(), 1, kEdge * kEdge}};
  const std::vector<Operand> writes = {{2, y.data(), kEdge, kEdge}};
  const Seconds seconds = busy_seconds("matmul", bench, backend, [&] {
    backend.launch({task, reads, writes, {}, context});
  });
  return flops_of(Op::linear, task.shape, kEdge) / seconds;
}

/// Bytes read and written by copying.
BytesPerSecond copy_bandwidth(const Machine& machine, Bench& bench, Backend& backend) {
  const Bytes bytes = kCachesPerCopy * machine.last_cache_bytes;
  const DeviceBuffer from(backend, bytes, 0.5f), to(backend, bytes, 1.0f);
  const Seconds seconds =
      busy_seconds("copy", bench, backend, [&] { backend.copy(Lane::compute, to.data(), from.data(), bytes); });
  return 2.0 * static_cast<double>(bytes) / seconds;
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
  cluster.device.memory_bytes = machine.memory_bytes / ranks;  // all of it: host memory beside it would count twice
  cluster.device.lanes_share_core = true;
  cluster.device.memory_bandwidth_bytes_per_s = copy_bandwidth(machine, bench, backend);
  cluster.device.peak_f32_flops_per_s = matmul_peak(DType::f32, bench, backend);
  cluster.device.peak_bf16_flops_per_s = matmul_peak(DType::bf16, bench, backend);
  cluster.host_memory_bandwidth_bytes_per_s = ranks * cluster.device.memory_bandwidth_bytes_per_s;
  cluster.intra_node = link_of(profile, message_seconds(bench));
  if (rank == 0) measure_disk(cluster);
  return cluster;
}

}  // namespace moesaic::executor
