#pragma once
// One repetition of a measurement and how much other work of the machine disturbed it; medians that prefer undisturbed
// ones. It repeats nothing.

#include <cstdint>
#include <vector>

#include "core/schema/units.h"

namespace moesaic::executor {

struct Sample {
  Seconds seconds = 0;
  Seconds lost_s = 0;      // of them, others had the core
  bool disturbed = false;  // on any rank
  bool operator==(const Sample&) const = default;
};

/// What a thread that never waits took as wall and processor time, with `switches` away from its core against its will.
/// Disturbed where it was switched away, or where it lost more than its clocks and the system's own ticks explain.
Sample sample_of(Seconds wall, Seconds cpu, int64_t switches);

/// Watches the calling thread from its construction on.
class CoreWatch {
 public:
  CoreWatch();
  /// Of `wall` seconds that lay between the construction and this call, and which the thread has computed through.
  Sample computed(Seconds wall) const;
  /// The same for a thread that polls and yields: a switch is then its own will.
  Sample polled(Seconds wall) const;
  /// Away from its core against its will, meanwhile.
  bool was_switched() const;

 private:
  Seconds cpu_;
  int64_t switches_;
};

/// The seconds of the undisturbed samples; where none is, those of all without what they lost.
std::vector<Seconds> kept_seconds(const std::vector<Sample>& samples);

/// The upper one of the two middle values where they are even in number. Require a value.
double median(std::vector<double> values);
double least(const std::vector<double>& values);

}  // namespace moesaic::executor
