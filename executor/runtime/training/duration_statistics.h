#pragma once
// How long something took, over any number of times: count, mean, extremes and the median, in memory that does not grow
// with the count.

#include <cstdint>
#include <vector>

#include "core/schema/units.h"

namespace moesaic::executor {

/// 0 where there are none.
struct DurationFigures {
  int64_t count = 0;
  Seconds mean = 0, median = 0, least = 0, most = 0;
};

/// The median comes from buckets whose bounds grow geometrically (DDSketch, Masson, Rim, Lee: arXiv 1908.10693); no
/// library of Debian has it for C++, and Boost's P2 estimate has no bound on its error.
class DurationStatistics {
 public:
  /// Relative, of the median, for durations from 1 ns (the unit of the clock) to 10^6 s.
  static constexpr double kMedianError = 0.01;

  void add(Seconds duration);

  int64_t count() const { return count_; }
  /// The median of an even count is the lower of the two in the middle.
  DurationFigures figures() const;

  /// What it holds: at most kMostBuckets counters, as many as the durations' spread asks for.
  size_t num_buckets() const { return counts_.size(); }
  static const int kMostBuckets;

 private:
  Seconds median() const;

  int64_t count_ = 0;
  Seconds sum_ = 0, least_ = 0, most_ = 0;
  int first_ = 0;                 // number of the bucket that counts_[0] counts
  std::vector<uint32_t> counts_;  // by bucket; runs have fewer steps than fit
};

}  // namespace moesaic::executor
