#pragma once
// What other work on a machine took from the ranks of a run, and which of its steps it left alone. It measures nothing:
// the executor does.

#include <optional>
#include <string>
#include <vector>

#include "core/schema/documents.h"
#include "core/schema/units.h"

namespace moesaic {

/// The share of its time (no unit) that a rank may lose in a step that still counts as undisturbed, and a run's mean
/// likewise. A step on a quiet machine loses less than 1 % to timer ticks and kernel threads; predictions are read to
/// some 10 %, of which less than half can then be the machine's doing.
inline constexpr double kDisturbedShare = 0.05;

/// Shares are in [0, 1]. Time is lost while a rank has work and its core does other work, and while what a rank has
/// waited for is there and the core is not back yet. Other waits are no loss, whoever has the core meanwhile; that they
/// are longer where other ranks lost time is not counted, so a step may be longer by more than these shares.
struct RunDisturbance {
  std::vector<double> by_step;                // [steps]: of the rank that lost most; empty where it is not measured
  std::vector<double> by_rank;                // [ranks]: of all steps but the first, if there are more; or empty
  std::vector<int64_t> involuntary_switches;  // [ranks]: in those steps; those of a rank that polls cost nothing
  double steal_share = 0;     // of the time that the busiest host's cores had work: given to other guests
  double ranks_per_core = 0;  // of the host with most; above 1 the ranks disturb each other

  /// Of the ranks' time.
  double share() const;
  bool disturbed() const { return share() >= kDisturbedShare || steal_share >= kDisturbedShare; }
};

/// "the machine was disturbed: 38 % of the ranks' time"; "" where it was not.
std::string sentence_of(const RunDisturbance& disturbance);

/// The steps of a run but the first, if there are more: that one makes kernels.
struct UndisturbedSteps {
  int steps = 0, of = 0;
  bool without_first = false;
  Seconds median = 0;  // of those steps
};

/// `step_seconds`, `by_step`: [steps].
UndisturbedSteps undisturbed_steps(const std::vector<Seconds>& step_seconds, const std::vector<double>& by_step);

Json write_disturbance(const RunDisturbance& disturbance);
/// For people: shares, sentence_of, and the undisturbed steps; undisturbed_step_seconds is null where there are none.
Json write_undisturbed(const RunDisturbance& disturbance, const UndisturbedSteps& undisturbed);

/// How long the steps of a result document took, and what disturbed them.
struct MeasuredSteps {
  std::vector<Seconds> seconds;  // [steps]: of the slowest rank
  RunDisturbance disturbance;
  int64_t shown = 0;  // the step of the result's timeline
};
/// `all_step_seconds`, `disturbance`, `timeline_step` of a result; nothing where an older executor has not measured it.
std::optional<MeasuredSteps> read_measured_steps(const Json& result, const std::string& file);

}  // namespace moesaic
