#include "executor/runtime/training/duration_statistics.h"

#include <algorithm>
#include <cmath>

namespace moesaic::executor {
namespace {

constexpr Seconds kShortest = 1e-9, kLongest = 1e6;
constexpr double kGrowth = (1 + DurationStatistics::kMedianError) / (1 - DurationStatistics::kMedianError);

/// Bucket b has the durations in (kGrowth^(b - 1), kGrowth^b] ns.
int bucket_of(Seconds duration) {
  static const double kPerLog = 1 / std::log(kGrowth);
  return static_cast<int>(std::ceil(std::log(std::clamp(duration, kShortest, kLongest) / kShortest) * kPerLog));
}

/// As far from both bounds, relative to each.
Seconds middle_of(int bucket) { return kShortest * 2 * std::pow(kGrowth, bucket) / (kGrowth + 1); }

}  // namespace

const int DurationStatistics::kMostBuckets = bucket_of(kLongest) + 1;

void DurationStatistics::add(Seconds duration) {
  least_ = count_ > 0 ? std::min(least_, duration) : duration;
  most_ = count_ > 0 ? std::max(most_, duration) : duration;
  ++count_;
  sum_ += duration;
  const int bucket = bucket_of(duration);
  if (counts_.empty()) first_ = bucket;
  if (bucket < first_) {
    counts_.insert(counts_.begin(), static_cast<size_t>(first_ - bucket), 0);
    first_ = bucket;
  }
  const auto at = static_cast<size_t>(bucket - first_);
  if (at >= counts_.size()) counts_.resize(at + 1, 0);
  ++counts_[at];
}

DurationFigures DurationStatistics::figures() const {
  if (count_ == 0) return {};
  return {count_, sum_ / static_cast<double>(count_), median(), least_, most_};
}

Seconds DurationStatistics::median() const {
  int64_t before = (count_ - 1) / 2;  // durations that are shorter
  size_t at = 0;
  while (before >= counts_[at]) before -= counts_[at++];
  return std::clamp(middle_of(first_ + static_cast<int>(at)), least_, most_);
}

}  // namespace moesaic::executor
