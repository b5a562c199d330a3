#include "executor/profiling/points.h"

#include <algorithm>
#include <map>
#include <string>

#include "core/cost/signature.h"
#include "executor/profiling/collective_bench.h"
#include "executor/profiling/message_bench.h"
#include "executor/profiling/overhead.h"

namespace moesaic::executor {

ProfilePoints::ProfilePoints(const std::vector<Plan>& plans, uint64_t seed, Transport& transport, Backend& backend,
                             Bench& bench)
    : seed_(seed),
      transport_(transport),
      backend_(backend),
      bench_(bench),
      machine_(this_machine()),
      caches_(machine_, transport.size(), backend),
      shapes_(collect_shapes(plans)) {
  for (const Plan& plan : plans) plans_.push_back(std::make_unique<MeasuredPlan>(plan));
  add_operators();
  if (transport.size() > 1) add_collectives(), add_messages();
  if (!plans.empty()) add_overhead();
  add_peaks();
}

size_t ProfilePoints::add(Point point) {
  points_.push_back(std::move(point));
  return points_.size() - 1;
}

Measure ProfilePoints::open_operator(const OperatorShape& shape, int64_t rows) {
  const auto run = std::make_shared<OperatorRun>(*plans_[shape.plan], shape, rows, backend_, seed_);
  return [this, run] {
    run->prepare(caches_);
    bench_.barrier();
    return bench_.mean_over_ranks(run->launch_warmed(caches_));
  };
}

void ProfilePoints::add_operators() {
  for (size_t i = 0; i < shapes_.size(); ++i) {
    const std::string signature = signature_of(shapes_[i].op, shapes_[i].dtype, shapes_[i].shape);
    const auto add_rows = [&](const std::vector<int64_t>& list, Worth worth) {
      for (const int64_t rows : list) {
        Point point{signature + ", " + std::to_string(rows) + " rows", worth, signature, static_cast<double>(rows),
                    [this, i, rows] { return open_operator(shapes_[i], rows); }};
        operators_.push_back({i, add(std::move(point)), rows});
      }
    };
    add_rows(shapes_[i].own_rows, Worth::least);
    add_rows(shapes_[i].range_rows, Worth::range);
    add_rows(shapes_[i].further_rows, Worth::further);
  }
}

/// To guess the time of one size from a smaller one: about the latency of a busy machine, 0.2 ms at 5 GB/s.
constexpr double kLatencyBytes = 1 << 20;

/// The ends of a curve first: time is nearly a straight line between them.
void ProfilePoints::add_collectives() {
  const std::vector<Bytes> sizes = collective_sizes();
  for (const Op op : {Op::all_to_all, Op::all_reduce, Op::all_gather, Op::reduce_scatter})
    for (const Bytes size : sizes) {
      const Bytes bytes = contribution(op, size, transport_.size()), axis = busiest_bytes(op, bytes, transport_.size());
      const bool end = size == sizes.front() || size == sizes.back();
      Point point{std::string(name_of(op)) + ", " + std::to_string(axis) + " bytes", end ? Worth::least : Worth::range,
                  name_of(op), kLatencyBytes + static_cast<double>(axis),
                  [this, op, bytes] { return open_collective(op, bytes, bench_); }};
      collectives_.push_back({add(std::move(point)), op, axis});
    }
}

void ProfilePoints::add_messages() {
  const auto add_count = [&](int messages) {
    return add({std::to_string(messages) + " messages at once", Worth::least, "messages", 1.0 * messages,
                [this, messages] { return open_messages(messages, bench_); }});
  };
  one_message_ = add_count(1);
  many_messages_ = add_count(kManyMessages);
}

void ProfilePoints::add_overhead() {
  const MeasuredPlan& typical = *plans_.front();
  overhead_ = add({"overhead of a task", Worth::least, "overhead", 1, [this, &typical] {
                     return open_overhead(typical.graph.tokens_per_rank, typical.plan.model.hidden, transport_,
                                          backend_, bench_);
                   }});
}

/// `slow_rate` guesses how long making the operands and two repetitions take on a core. Devices differ too much for a
/// guess and end their peaks within milliseconds: there the points before tell.
ProfilePoints::OfPeak ProfilePoints::add_peak(const std::string& what, double amount, double slow_rate,
                                              std::function<Measure()> open) {
  Point point{what, Worth::least, what, 1, std::move(open)};
  constexpr int kPeakRepetitions = 25;  // the shortest is soon found
  point.enough = kPeakRepetitions;
  if (backend_.runs_inline())
    point.expected_s = bench_.max_over_ranks(3 * amount / slow_rate);  // caches may differ between hosts
  return {add(std::move(point)), amount};
}

void ProfilePoints::add_peaks() {
  constexpr double kSlowFlops = 50e9, kSlowMemory = 2e9;  // per second, of a core that others use too
  const double flops = matmul_flops(backend_);
  peak_f32_ = add_peak("peak of f32", flops, kSlowFlops, [this] { return open_matmul(DType::f32, bench_, backend_); });
  peak_bf16_ =
      add_peak("peak of bf16", flops, kSlowFlops, [this] { return open_matmul(DType::bf16, bench_, backend_); });
  const auto add_copy = [&](const std::string& what, Backend& backend) {
    return add_peak(what, static_cast<double>(copied_bytes(machine_, bench_, backend)), kSlowMemory,
                    [this, &backend] { return open_copy(machine_, bench_, backend); });
  };
  copy_ = add_copy("memory bandwidth", backend_);
  if (backend_.runs_inline()) return;
  host_copy_ = add_copy("bandwidth of host memory", host_);
  for (const Lane lane : {Lane::copy_in, Lane::copy_out}) {
    const size_t out = lane == Lane::copy_out;
    const auto add_size = [&](const std::string& size, Bytes bytes) {
      return add_peak(size + (out == 0 ? " copy from host to device" : " copy from device to host"),
                      static_cast<double>(bytes), kSlowMemory,
                      [this, lane, bytes] { return open_host_copy(lane, bytes, bench_, backend_); });
    };
    small_[out] = add_size("small", kSmallHostCopy);
    large_[out] = add_size("large", kHostCopy);
  }
}

Seconds ProfilePoints::OfPeak::seconds(const std::vector<Reading>& readings) const {
  return least(kept_seconds(readings[point].samples));
}

double ProfilePoints::OfPeak::per_second(const std::vector<Reading>& readings) const {
  return amount / seconds(readings);
}

void ProfilePoints::fill(const std::vector<Reading>& readings, Profile& profile) const {
  const auto value = [&](size_t point) { return median(kept_seconds(readings[point].samples)); };
  for (size_t i = 0; i < shapes_.size(); ++i) {
    OperatorCurve curve;
    curve.op = name_of(shapes_[i].op);
    curve.dtype = shapes_[i].dtype;
    for (const auto& [name, size] : dimensions_of(shapes_[i].shape)) curve.fixed[name] = size;
    std::map<int64_t, Seconds> seconds;
    for (const OfOperator& of : operators_)
      if (of.shape == i && readings[of.point].measured()) seconds[of.rows] = value(of.point);
    for (const auto& [rows, of_rows] : seconds) curve.rows.push_back(rows), curve.seconds.push_back(of_rows);
    profile.operators.push_back(std::move(curve));
  }
  for (const OfCollective& of : collectives_) {
    if (!readings[of.point].measured()) continue;
    if (profile.collectives.empty() || profile.collectives.back().collective != name_of(of.op))
      profile.collectives.push_back(
          {name_of(of.op), transport_.size(), transport_.node(0) != transport_.node(transport_.size() - 1), {}, {}});
    profile.collectives.back().bytes.push_back(of.bytes);
    profile.collectives.back().seconds.push_back(value(of.point));
  }
  if (!plans_.empty()) profile.task_overhead_s = std::max(0.0, value(overhead_));
}

void ProfilePoints::fill(const std::vector<Reading>& readings, Cluster& cluster) const {
  const int ranks = transport_.size();
  const auto shortest = [&](size_t point) { return least(kept_seconds(readings[point].samples)); };
  Device& device = cluster.device;
  device.memory_bandwidth_bytes_per_s = copy_.per_second(readings);
  device.peak_f32_flops_per_s = peak_f32_.per_second(readings);
  device.peak_bf16_flops_per_s = peak_bf16_.per_second(readings);
  device.lanes_share_core = backend_.runs_inline();
  if (backend_.runs_inline()) {
    device.memory_bytes = machine_.memory_bytes / ranks;  // all of it: host memory beside it would count twice
    cluster.host_memory_bandwidth_bytes_per_s = ranks * device.memory_bandwidth_bytes_per_s;
  } else {
    device.memory_bytes = backend_.memory_bytes();
    device.usable_memory_share = kUsableMemoryShare;
    cluster.host_memory_bytes = machine_.memory_bytes;
    cluster.host_memory_bandwidth_bytes_per_s = ranks * host_copy_.per_second(readings);
    cluster.pcie = host_link_of({small_[0].seconds(readings), small_[1].seconds(readings)},
                                {large_[0].seconds(readings), large_[1].seconds(readings)});
  }
  if (ranks > 1) cluster.intra_node.message_s = message_seconds(shortest(one_message_), shortest(many_messages_));
}

}  // namespace moesaic::executor
