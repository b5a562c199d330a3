#include "executor/profiling/bench.h"

#include <algorithm>
#include <numeric>

namespace moesaic::executor {
namespace {

constexpr int kCommunicatorId = 65535;  // the highest: step graphs count theirs from 0

std::vector<int> all_ranks(int size) {
  std::vector<int> ranks(static_cast<size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

/// Of every rank, in the order of ranks.
template <typename Value>
std::vector<Value> gather(Bench& bench, const Value& own) {
  std::vector<Value> values(static_cast<size_t>(bench.all().size()));
  bench.all().all_gather(bench.next_sequence(), &own, sizeof(own), values.data())->wait();
  return values;
}

}  // namespace

Bench::Bench(Transport& transport, bool ranks_share_cores)
    : all_(transport, all_ranks(transport.size()), kCommunicatorId),
      ranks_share_cores_(max_over_ranks(ranks_share_cores ? 1 : 0) > 0) {}

void Bench::barrier() { all_.barrier(next_sequence())->wait(); }

double Bench::max_over_ranks(double value) {
  const std::vector<double> values = gather(*this, value);
  return *std::max_element(values.begin(), values.end());
}

Sample Bench::mean_over_ranks(const Sample& own) {
  const std::vector<Sample> samples = gather(*this, own);
  Sample mean;
  for (const Sample& sample : samples) {
    mean.seconds += sample.seconds / static_cast<double>(samples.size());
    mean.lost_s += sample.lost_s / static_cast<double>(samples.size());
    mean.disturbed = mean.disturbed || (sample.disturbed && !ranks_share_cores_);
  }
  return mean;
}

Sample Bench::slowest_of_ranks(const Sample& own) {
  const std::vector<Sample> samples = gather(*this, own);
  Sample slowest = *std::max_element(samples.begin(), samples.end(),
                                     [](const Sample& a, const Sample& b) { return a.seconds < b.seconds; });
  slowest.disturbed =
      !ranks_share_cores_ && std::any_of(samples.begin(), samples.end(), [](const Sample& s) { return s.disturbed; });
  return slowest;
}

}  // namespace moesaic::executor
