#pragma once
// A step time that no plan of a layout can beat: its tasks in program order on the lanes of one rank, each at the least
// that it can take whatever is decided below the layout.

#include "planner/bounds/best_prices.h"
#include "planner/bounds/least_rows.h"
#include "planner/prices/closed_form.h"

namespace moesaic::planner {

/// What plans decide below a layout.
struct Freedom {
  int most_chunks = 1;  // of a MoE layer: powers of two up to this number, and it
  int spare_slots = 0;  // per rank, for replicas, beside those that the experts need
  /// The plan stands for those with higher ZeRO stages, and with an embedding that is spread by columns: gathers behind
  /// the update, looking tokens up and sums of the table's gradient hold nothing up.
  bool of_variants = false;
};

/// Slots per rank that a plan's placement has beyond what the experts need.
int replica_slots(const Plan& plan);

class PathBound {
 public:
  explicit PathBound(const Plan& documents) : plan_(documents), forms_(plan_), best_(plan_) {}
  PathBound(const PathBound&) = delete;  // what it is made of refers to its own plan

  /// Of the layout, all-to-all, recompute, tiers and prefetch of a legal plan for these documents, without elastic
  /// shares; over all its placements, chunks and buckets:
  ///
  ///   pipelined_seconds() of a rank's passes on lanes, or all that its network lane has to do, with
  ///   experts        of some rank that receives the mean of all rows at least, and of the hottest expert those that
  ///                  its replicas leave it, at the least price per row (or for all) of any such vector of rows;
  ///   all-to-alls    of the mean of ranks, rows that no placement keeps at home over the bandwidth of a rank's ports;
  ///   all else       at its price; sums of gradients and waits for ports and other ranks left out.
  ///
  /// Ranks of a group meet at every all-to-all, and when they meet depends on when each is ready by maxima and sums
  /// alone: such a function of the mean of the ranks' times is at most the mean of its values (Jensen's inequality), so
  /// that means over ranks may stand for ranks.
  Seconds of(const PlanChoices& choices, const Freedom& freedom);

 private:
  Seconds in_chunks(int chunks, const Freedom& freedom);
  std::vector<Seconds> least_times(const StepSample& sample, int chunks, const Freedom& freedom);
  /// Of a task whose rows routing does not decide.
  Seconds least_time(const StepSample& sample, size_t number, Seconds price, int64_t most_updated, bool of_variants);

  Plan plan_;  // the documents, with the layout in question
  ClosedForm forms_;
  BestPrices best_;
};

}  // namespace moesaic::planner
