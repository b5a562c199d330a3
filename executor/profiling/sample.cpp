#include "executor/profiling/sample.h"

#include <algorithm>

#include "core/schema/error.h"
#include "executor/machine/disturbance.h"

namespace moesaic::executor {
namespace {

// Interrupts take some per mille of every core; a median stands a few per cent.
constexpr double kLostShare = 0.05;
constexpr Seconds kClocks = 3e-6;  // two kinds of clock, read one after the other through a system call

int64_t switches_of_thread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return involuntary_switches(usage);
}

}  // namespace

Sample sample_of(Seconds wall, Seconds cpu, int64_t switches) {
  const Seconds lost = std::max(0.0, wall - cpu);
  return {wall, lost, switches > 0 || lost > kClocks + kLostShare * wall};
}

CoreWatch::CoreWatch() : cpu_(0), switches_(switches_of_thread()) { cpu_ = cpu_seconds(Counted::thread); }

Sample CoreWatch::polled(Seconds wall) const { return sample_of(wall, cpu_seconds(Counted::thread) - cpu_, 0); }

Sample CoreWatch::computed(Seconds wall) const {
  const Seconds cpu = cpu_seconds(Counted::thread) - cpu_;
  return sample_of(wall, cpu, switches_of_thread() - switches_);
}

bool CoreWatch::was_switched() const { return switches_of_thread() > switches_; }

std::vector<Seconds> kept_seconds(const std::vector<Sample>& samples) {
  std::vector<Seconds> undisturbed, all;
  for (const Sample& sample : samples) {
    all.push_back(sample.seconds - sample.lost_s);
    if (!sample.disturbed) undisturbed.push_back(sample.seconds);
  }
  return undisturbed.empty() ? all : undisturbed;
}

double median(std::vector<double> values) {
  MOESAIC_CHECK(!values.empty(), "the median of nothing");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double least(const std::vector<double>& values) {
  MOESAIC_CHECK(!values.empty(), "the least of nothing");
  return *std::min_element(values.begin(), values.end());
}

}  // namespace moesaic::executor
