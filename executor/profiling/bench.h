#pragma once
// Repeats a measurement on all ranks in step: Google Benchmark drives rank 0, the other ranks follow with as many
// repetitions; built without that library, a plain loop does. It does not know what is measured.

#include <functional>
#include <string>
#include <vector>

#include "core/schema/units.h"
#include "executor/comm/communicator.h"

namespace moesaic::executor {

Seconds steady_seconds();

class Bench {
 public:
  /// A communicator of all ranks of the transport, with the highest id.
  explicit Bench(Transport& transport);

  Communicator& all() { return all_; }
  int64_t next_sequence() { return sequence_++; }

  void barrier();
  double mean_over_ranks(double value);
  double max_over_ranks(double value);

  /// `repetitions` values of `once`, which every rank calls as often and which returns the same on all; ascending.
  std::vector<Seconds> sorted_samples(const std::string& name, int repetitions, const std::function<Seconds()>& once);
  Seconds median(const std::string& name, int repetitions, const std::function<Seconds()>& once);

 private:
  std::vector<double> gather(double value);

  Communicator all_;
  int64_t sequence_ = 0;
};

}  // namespace moesaic::executor
