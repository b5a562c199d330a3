#pragma once
// The elastic part of a plan: how many sequences each rank trains, and which ranks serve which task of a multi-task
// workload (SE-MoE section 4.1). Absent, every rank trains as many sequences.

#include <cstdint>
#include <string>
#include <vector>

#include "core/plan/fields_of.h"

namespace moesaic {

struct Plan;

/// Consecutive ranks that train the same tasks: each holds the experts of all of them and its share of their batches.
/// One task on several ranks is split, several tasks on one rank are merged.
struct Team {
  std::vector<int> tasks;  // indices into the workload's tasks
  int ranks = 1;
  bool operator==(const Team&) const = default;
};

struct Elastic {
  std::vector<int64_t> sequences_per_rank;  // [ranks], of one microbatch; empty: even, or as the teams say
  std::vector<Team> teams;                  // in rank order; empty: no tasks
  bool present() const { return !sequences_per_rank.empty() || !teams.empty(); }
  bool operator==(const Elastic&) const = default;
};

/// A base of the plan's choices: its key stands in the plan document itself.
struct ElasticShares {
  Elastic elastic;
  bool operator==(const ElasticShares&) const = default;
};

template <>
const FieldTable<ElasticShares>& fields_of<ElasticShares>();

/// Consecutive sequences of a step's batch; all of one task where the workload has several.
struct SequenceRange {
  int64_t first = 0, count = 0;
  int task = 0;
  bool operator==(const SequenceRange&) const = default;
};

/// What a rank trains in a microbatch, in the order of its rows. Sequences are numbered task by task through the step;
/// microbatch j of M holds the j-th M-th of each task. A team's ranks cut the row of its tasks' sequences into equal
/// pieces, so that each has as many to within one; a range per task of the team, empty ones included.
std::vector<SequenceRange> local_batch(const Plan& plan, int rank, int microbatch);

/// Sequences of one microbatch: [ranks].
std::vector<int64_t> local_sequences(const Plan& plan);

/// The team of a rank, and the rank's position in it.
struct TeamPosition {
  int team = 0, position = 0;
};
TeamPosition team_of(const Elastic& elastic, int rank);

/// Refuses shares that do not sum to the batch, teams that miss a task or a rank, and what tasks cannot be combined
/// with.
void check_elastic(const Plan& plan, const PlanChecker& check);

}  // namespace moesaic
