#pragma once
// Collectives as the interpreter opens them: of groups that are alike one, of each class of ranks in it one member. It
// starts nothing.

#include <memory>
#include <span>
#include <vector>

#include "simulator/collective_table.h"
#include "simulator/rank_classes.h"

namespace moesaic::simulator {

/// Whether work that nobody else can tell apart is one activity: chains of tasks on a core, and of the flows of a task
/// through ports that it has to itself the slowest. The times of all tasks are kept either way; fused, they are sums
/// that are rounded elsewhere.
enum class Fusion : uint8_t { none, all };

/// A kind of collective in groups that are alike, once its members have met.
struct Meeting {
  struct Member {
    int of_class = 0;
    int num_flows = 0;        // that it has
    size_t end_of_flows = 0;  // that are simulated
  };
  CollectivePrice price;
  int groups = 0;               // that it stands for
  std::vector<Member> members;  // of each class one
  std::vector<Flow> flows;
};

class MeetingTable {
 public:
  /// All must outlive the table.
  MeetingTable(const TaskGraph& graph, const Platform& platform, CollectiveTable& collectives,
               const RankEvidence& evidence, const RankClasses& classes, Fusion fusion)
      : graph_(graph),
        platform_(platform),
        collectives_(collectives),
        evidence_(evidence),
        classes_(classes),
        fusion_(fusion) {}

  /// Worked out once for each kind of collective.
  const Meeting& of(TaskIndex task, int group_class);

 private:
  Meeting work_out(int32_t kind, int group_class);
  void append_simulated(std::span<const Flow> flows, int rank, std::vector<Flow>& simulated) const;

  const TaskGraph& graph_;
  const Platform& platform_;
  CollectiveTable& collectives_;
  const RankEvidence& evidence_;
  const RankClasses& classes_;
  const Fusion fusion_;
  std::vector<std::vector<std::unique_ptr<Meeting>>> known_;  // [kinds of collectives, classes of groups]
};

}  // namespace moesaic::simulator
