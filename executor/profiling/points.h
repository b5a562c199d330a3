#pragma once
// All that a profile and its cluster document need measured, as points for a schedule, and what their readings amount
// to. It decides neither order nor repetitions.

#include <memory>
#include <vector>

#include "core/plan/plan.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/profiling/operator_run.h"
#include "executor/profiling/peaks.h"
#include "executor/profiling/schedule.h"

namespace moesaic::executor {

class ProfilePoints {
 public:
  /// On every rank the same. All but the plans must outlive this, and this the points.
  ProfilePoints(const std::vector<Plan>& plans, uint64_t seed, Transport& transport, Backend& backend, Bench& bench);

  const std::vector<Point>& points() const { return points_; }

  /// Of [points] readings, those of the least worth measured: curves are medians, peaks the shortest repetition.
  void fill(const std::vector<Reading>& readings, Profile& profile) const;
  /// Peaks and bandwidths, and the cost of a message.
  void fill(const std::vector<Reading>& readings, Cluster& cluster) const;

 private:
  struct OfOperator {
    size_t shape, point;
    int64_t rows;
  };
  struct OfCollective {
    size_t point;
    Op op;
    Bytes bytes;  // of the busiest member
  };
  struct OfPeak {
    size_t point = 0;
    double amount = 0;  // FLOPs or bytes of a repetition
    double per_second(const std::vector<Reading>& readings) const;
    Seconds seconds(const std::vector<Reading>& readings) const;
  };

  void add_operators();
  Measure open_operator(const OperatorShape& shape, int64_t rows);
  void add_collectives();
  void add_messages();
  void add_overhead();
  void add_peaks();
  OfPeak add_peak(const std::string& what, double amount, double slow_rate, std::function<Measure()> open);
  size_t add(Point point);

  const uint64_t seed_;
  Transport& transport_;
  Backend& backend_;
  Bench& bench_;
  cpu::CpuBackend host_;  // beside a device with memory of its own
  const Machine machine_;
  CacheWalk caches_;
  const std::vector<OperatorShape> shapes_;
  std::vector<std::unique_ptr<MeasuredPlan>> plans_;
  std::vector<Point> points_;
  std::vector<OfOperator> operators_;
  std::vector<OfCollective> collectives_;
  size_t one_message_ = 0, many_messages_ = 0, overhead_ = 0;
  OfPeak copy_, host_copy_, peak_f32_, peak_bf16_, small_[2], large_[2];  // the last two: [in, out]
};

}  // namespace moesaic::executor
