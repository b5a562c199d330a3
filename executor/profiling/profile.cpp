#include "executor/profiling/profile.h"

#include <algorithm>
#include <cmath>

#include "core/schema/error.h"
#include "core/schema/formatted.h"
#include "executor/machine/disturbance.h"
#include "executor/profiling/points.h"
#include "executor/runtime/training/trainer.h"
#include "executor/store/storage_rates.h"

namespace moesaic::executor {
namespace {

constexpr double kDiskShare = 1.0 / 60;  // of the budget, for each of a disk's rates

/// More of them on this rank's node than cores.
bool ranks_share_cores(const Transport& transport) {
  int here = 0;
  for (int rank = 0; rank < transport.size(); ++rank) here += transport.node(rank) == transport.node(transport.rank());
  return here > this_machine().cores;
}

class Measurement {
 public:
  Measurement(const std::vector<Plan>& plans, Transport& transport, Backend& backend, const ProfileOptions& options)
      : options_(options),
        start_(options.clock()),
        counters_(read_disturbance(Counted::process)),
        transport_(transport),
        bench_(transport, ranks_share_cores(transport)),
        points_(plans, options.seed, transport, backend, bench_),
        disk_rate_s_(std::min(kSecondsPerRate, kDiskShare * options.budget_s)),
        schedule_(
            points_.points(), options.budget_s - disk_seconds(disk_rate_s_),
            [this] { return bench_.max_over_ranks(spent()); },
            [this](const Point& point, Seconds spent) {
              if (transport_.rank() == 0) options_.on_progress(spent, options_.budget_s, point.what);
            }) {}

  MeasuredMachine run() {
    MeasuredMachine result;
    if (!schedule_.run()) {
      result.too_short = shortfall();
      return result;
    }
    points_.fill(schedule_.readings(), result.profile);
    points_.fill(schedule_.readings(), result.cluster);
    result.cluster.intra_node = link_of(result.profile, result.cluster.intra_node.message_s);
    result.profile.measuring = record();
    if (transport_.rank() == 0) add_disk(result);
    add_provenance(result);
    result.profile.measuring->spent_s = spent();
    return result;
  }

 private:
  Seconds spent() const { return options_.spent_s + options_.clock() - start_; }

  std::string shortfall() const {
    size_t all = 0, measured = 0;
    for (size_t i = 0; i < points_.points().size(); ++i) {
      if (points_.points()[i].worth != Worth::least) continue;
      ++all;
      measured += schedule_.readings()[i].measured();
    }
    const Seconds least = schedule_.least_s() + disk_seconds(disk_rate_s_);
    return "nothing found within --budget " + format_seconds(options_.budget_s) +
           formatted(": %zu of the %zu points that a profile needs at least were measured; ", measured, all) +
           (measured == 0 ? "give it more time"
                          : "at this pace they take " + format_seconds(std::ceil(10 * least) / 10));
  }

  MeasuringRecord record() const {
    MeasuringRecord record;
    record.budget_s = options_.budget_s;
    Seconds seconds = 0, lost = 0;
    for (size_t i = 0; i < points_.points().size(); ++i) {
      const Reading& reading = schedule_.readings()[i];
      const std::string& what = points_.points()[i].what;
      if (!reading.measured()) {
        record.left_out.push_back(what);
        continue;
      }
      ++record.points;
      const auto repetitions = static_cast<int64_t>(reading.samples.size());
      record.repetitions += repetitions;
      record.disturbed_repetitions += repetitions - reading.undisturbed();
      if (reading.undisturbed() == 0) record.kept_disturbed.push_back(what);
      for (const Sample& sample : reading.samples) seconds += sample.seconds, lost += sample.lost_s;
    }
    record.ranks_share_cores = bench_.ranks_share_cores();
    record.lost_share = seconds > 0 ? std::clamp(lost / seconds, 0.0, 1.0) : 0;
    record.steal_share = disturbance_between(counters_, read_disturbance(Counted::process)).steal_share;
    return record;
  }

  void add_disk(MeasuredMachine& result) {
    const Seconds rate_s = std::min(disk_rate_s_, disk_rate_within(options_.budget_s - spent()));
    if (rate_s >= disk_rate_s_ / 2)
      measure_disk(rate_s, result.cluster);
    else
      result.profile.measuring->left_out.push_back("disk");
  }

  void add_provenance(MeasuredMachine& result) const {
    const Machine machine = this_machine();
    Profile& profile = result.profile;
    profile.name = result.cluster.name = options_.name;
    profile.device = options_.device.empty() ? machine.processor + " core" : options_.device;
    profile.machine = description_of(machine) + ", " + std::to_string(transport_.size()) + " ranks at once";
    profile.command = options_.command;
    profile.commit = options_.commit;
    profile.date = current_date();
    result.cluster.source = description_of(machine) + "; measured " + profile.date +
                            (options_.command.empty() ? "" : " by '" + options_.command + "'");
    result.cluster.device.name = profile.device;
    result.cluster.devices_per_node = transport_.size();
  }

  const ProfileOptions& options_;
  const Seconds start_;
  const DisturbanceReading counters_;
  Transport& transport_;
  Bench bench_;
  ProfilePoints points_;
  const Seconds disk_rate_s_;
  Schedule schedule_;
};

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

MeasuredMachine measure_machine(const std::vector<Plan>& plans, int rank, Transport& transport, Backend& backend,
                                const ProfileOptions& options) {
  MOESAIC_CHECK(rank == transport.rank(), "a rank measures through its own transport");
  for (const Plan& plan : plans) check_trainable(plan, plan.name.empty() ? "plan" : plan.name);
  return Measurement(plans, transport, backend, options).run();
}

}  // namespace moesaic::executor
