#include "executor/profiling/profile.h"

#include <algorithm>
#include <map>
#include <memory>

#include "core/cost/signature.h"
#include "core/schema/error.h"
#include "executor/profiling/collective_bench.h"
#include "executor/profiling/operator_run.h"
#include "executor/profiling/overhead.h"
#include "executor/runtime/trainer.h"

namespace moesaic::executor {
namespace {

constexpr int kFewest = 3, kMost = 51;    // repetitions of one point
constexpr double kCollectiveShare = 0.2;  // of the budget
constexpr int kOverheadRepetitions = 11;
constexpr Seconds kPassSeconds = 12;  // a pass over all points that long gives each point enough repetitions
constexpr int kMostPasses = 9;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One point of one curve, still to be measured.
struct Point {
  std::string what;
  bool essential = true;
  std::function<std::function<Seconds(int repetitions)>()> open;  // makes the operands
  std::function<void(Seconds)> keep;
};

/// Spends the budget: essential points first, as many repetitions as fit, further points while there is time.
class Schedule {
 public:
  Schedule(Bench& bench, const ProfileOptions& options) : bench_(bench), options_(options) {}

  void run(std::vector<Point> points, Seconds budget) {
    std::stable_partition(points.begin(), points.end(), [](const Point& point) { return point.essential; });
    const Seconds end = steady_seconds() + budget;
    total_ += static_cast<int>(points.size());
    for (size_t i = 0; i < points.size(); ++i) {
      const Seconds left = bench_.max_over_ranks(end - steady_seconds());  // the same decision on all ranks
      if (left <= 0 && !points[i].essential) {
        total_ -= static_cast<int>(points.size() - i);
        return;
      }
      run(points[i], left / static_cast<double>(points.size() - i));
    }
  }

 private:
  void run(const Point& point, Seconds share) {
    const auto measure = point.open();
    measure(1);  // makes kernels, touches memory
    const Seconds begin = steady_seconds();
    measure(1);
    const Seconds pilot = bench_.max_over_ranks(steady_seconds() - begin);
    const double affordable = share / std::max(pilot, 1e-6);
    point.keep(measure(static_cast<int>(std::clamp<double>(affordable, kFewest, kMost))));
    ++done_;
    if (bench_.all().rank() == 0) options_.on_progress(done_, total_, point.what);
  }

  Bench& bench_;
  const ProfileOptions& options_;
  int done_ = 0, total_ = 0;
};

class Measurement {
 public:
  Measurement(const std::vector<Plan>& plans, Transport& transport, Backend& backend, const ProfileOptions& options)
      : transport_(transport),
        backend_(backend),
        options_(options),
        bench_(transport),
        caches_(this_machine(), transport.size(), backend),
        shapes_(collect_shapes(plans)),
        schedule_(bench_, options) {
    for (const Plan& plan : plans) plans_.push_back(std::make_unique<MeasuredPlan>(plan));
  }

  Profile run() {
    const bool alone = transport_.size() == 1;
    // Several passes over everything rather than many repetitions of one point: a machine that others share is slow for
    // seconds at a time, and the median over passes forgets one slow spell.
    const int passes = std::clamp(static_cast<int>(options_.budget_s / kPassSeconds), 1, kMostPasses);
    for (int pass = 0; pass < passes; ++pass) {
      schedule_.run(operator_points(), options_.budget_s / passes * (alone ? 1 : 1 - kCollectiveShare));
      if (!alone) schedule_.run(collective_points(), options_.budget_s / passes * kCollectiveShare);
    }
    for (const OperatorShape& shape : shapes_) add_curve(shape);
    if (!alone) add_collective_curves();
    if (!plans_.empty()) {
      const MeasuredPlan& typical = *plans_.front();
      profile_.task_overhead_s = std::max(0.0, task_overhead(typical.graph.tokens_per_rank, typical.plan.model.hidden,
                                                             kOverheadRepetitions, transport_, backend_, bench_));
    }
    add_provenance();
    return std::move(profile_);
  }

 private:
  std::function<Seconds(int)> open_operator(const OperatorShape& shape, int64_t rows) {
    const auto run = std::make_shared<OperatorRun>(*plans_[shape.plan], shape, rows, backend_, options_.seed);
    const auto once = [this, run] {
      run->prepare(caches_);
      bench_.barrier();
      return bench_.mean_over_ranks(run->launch());
    };
    const std::string name = std::string(name_of(shape.op)) + '/' + std::to_string(rows);
    return [this, name, once](int repetitions) { return bench_.median(name, repetitions, once); };
  }

  std::vector<Point> operator_points() {
    std::vector<Point> points;
    for (size_t i = 0; i < shapes_.size(); ++i) {
      const auto add = [&](int64_t rows, bool essential) {
        points.push_back(
            {signature_of(shapes_[i].op, shapes_[i].dtype, shapes_[i].shape) + ", " + std::to_string(rows) + " rows",
             essential, [this, i, rows] { return open_operator(shapes_[i], rows); },
             [this, i, rows](Seconds seconds) { readings_[i][rows].push_back(seconds); }});
      };
      for (int64_t rows : shapes_[i].essential_rows) add(rows, true);
      for (int64_t rows : shapes_[i].further_rows) add(rows, false);
    }
    return points;
  }

  void add_curve(const OperatorShape& shape) {
    OperatorCurve curve;
    curve.op = name_of(shape.op);
    curve.dtype = shape.dtype;
    for (const auto& [name, value] : dimensions_of(shape.shape)) curve.fixed[name] = value;
    for (const auto& [rows, seconds] : readings_[profile_.operators.size()]) {
      curve.rows.push_back(rows);
      curve.seconds.push_back(median(seconds));
    }
    profile_.operators.push_back(std::move(curve));
  }

  std::vector<Point> collective_points() {
    std::vector<Point> points;
    for (Op op : {Op::all_to_all, Op::all_reduce, Op::all_gather})
      for (Bytes size : collective_sizes()) {
        const Bytes bytes = contribution(op, size, transport_.size()),
                    axis = busiest_bytes(op, bytes, transport_.size());
        points.push_back({std::string(name_of(op)) + ", " + std::to_string(axis) + " bytes", true,
                          [this, op, bytes] { return open_collective(op, bytes, bench_); },
                          [this, op, axis](Seconds seconds) { collective_readings_[op][axis].push_back(seconds); }});
      }
    return points;
  }

  void add_collective_curves() {
    for (const auto& [op, readings] : collective_readings_) {
      CollectiveCurve curve;
      curve.collective = name_of(op);
      curve.num_ranks = transport_.size();
      curve.crosses_nodes = transport_.node(0) != transport_.node(transport_.size() - 1);
      for (const auto& [axis, seconds] : readings) {
        curve.bytes.push_back(axis);
        curve.seconds.push_back(median(seconds));
      }
      profile_.collectives.push_back(std::move(curve));
    }
  }

  void add_provenance() {
    const Machine machine = this_machine();
    profile_.name = options_.name;
    profile_.device = options_.device.empty() ? machine.processor + " core" : options_.device;
    profile_.machine = description_of(machine) + ", " + std::to_string(transport_.size()) + " ranks at once";
    profile_.command = options_.command;
    profile_.commit = options_.commit;
    profile_.date = current_date();
  }

  Transport& transport_;
  Backend& backend_;
  const ProfileOptions& options_;
  Bench bench_;
  CacheWalk caches_;
  const std::vector<OperatorShape> shapes_;
  std::vector<std::unique_ptr<MeasuredPlan>> plans_;
  Schedule schedule_;
  std::map<size_t, std::map<int64_t, std::vector<Seconds>>> readings_;  // index of shapes_ -> rows -> by pass
  std::map<Op, std::map<Bytes, std::vector<Seconds>>>
      collective_readings_;  // -> bytes of the busiest member -> by pass
  Profile profile_;
};

}  // namespace

Profile measure_profile(const std::vector<Plan>& plans, int rank, Transport& transport, Backend& backend,
                        const ProfileOptions& options) {
  MOESAIC_CHECK(rank == transport.rank(), "a rank measures through its own transport");
  for (const Plan& plan : plans) check_trainable(plan, plan.name.empty() ? "plan" : plan.name);
  return Measurement(plans, transport, backend, options).run();
}

}  // namespace moesaic::executor
