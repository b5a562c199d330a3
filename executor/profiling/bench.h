#pragma once
// What all ranks of a measurement share: a communicator, barriers, one sample and one clock of all. It does not know
// what is measured, nor how often.

#include <functional>
#include <vector>

#include "core/schema/units.h"
#include "executor/comm/communicator.h"
#include "executor/machine/steady_clock.h"
#include "executor/profiling/sample.h"

namespace moesaic::executor {

/// Measures once, on all ranks together, and gives the same sample to all.
using Measure = std::function<Sample()>;

class Bench {
 public:
  /// A communicator of all ranks of the transport, with the highest id. Where ranks share cores they take one
  /// another's, as they do in a step: if one rank says so, nothing counts as disturbed. All ranks make theirs together.
  explicit Bench(Transport& transport, bool ranks_share_cores = false);

  bool ranks_share_cores() const { return ranks_share_cores_; }
  Communicator& all() { return all_; }
  int64_t next_sequence() { return sequence_++; }

  void barrier();
  double max_over_ranks(double value);
  /// Every rank's own sample in one: disturbed where any was.
  Sample mean_over_ranks(const Sample& own);
  Sample slowest_of_ranks(const Sample& own);

 private:
  Communicator all_;
  int64_t sequence_ = 0;
  bool ranks_share_cores_;
};

}  // namespace moesaic::executor
