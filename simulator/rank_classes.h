#pragma once
// Ranks that live through the same step: one of each class is simulated and stands for all. Which they are is derived
// from what the interpreter reads, by partition refinement; it knows no pipelines, no experts and no routing.

#include <set>
#include <span>
#include <utility>
#include <vector>

#include "simulator/fingerprint.h"
#include "simulator/platform.h"

namespace moesaic::simulator {

/// What tells ranks apart before anybody looks at whom they meet.
struct RankEvidence {
  std::vector<Fingerprint> own;                 // [ranks]: rows, prices, demands, speed: all but partners and ports
  std::vector<std::vector<bool>> meets;         // [pipeline stages, communicators]: families in which the stage meets
  std::vector<std::vector<int>> users_of_port;  // [ports]: ranks with traffic through it
  std::vector<std::set<Lane>> lanes_of_port;    // [ports]: lanes whose tasks send it
  /// True where the port carries the flows of one task at a time.
  bool is_undisturbed(int port) const {
    return users_of_port[static_cast<size_t>(port)].size() == 1 && lanes_of_port[static_cast<size_t>(port)].size() == 1;
  }
};

/// The coarsest partition such that ranks of a class have the same evidence, meet groups with as many members of each
/// class, and use ports with as many users of each class. Then they do the same at the same time, whatever the engine:
/// by induction over events, since all that delays one of them delays the others alike (an equitable partition;
/// Paige and Tarjan, SIAM J. Comput. 16, 1987, without their bound on the time).
class RankClasses {
 public:
  /// Every rank a class of its own.
  RankClasses(const TaskGraph& graph, const Platform& platform);
  RankClasses(const TaskGraph& graph, const Platform& platform, const RankEvidence& evidence);

  int num_classes() const { return static_cast<int>(members_.size()); }
  int class_of(int rank) const { return class_of_[static_cast<size_t>(rank)]; }
  /// Ascending; the first one is simulated.
  std::span<const int> members(int of_class) const { return members_[static_cast<size_t>(of_class)]; }
  int representative(int of_class) const { return members(of_class).front(); }

  /// Groups of a family with as many members of each class are alike: numbered from 0, and how many there are of each.
  int group_class(int communicator, int group) const {
    return group_class_[static_cast<size_t>(communicator)][static_cast<size_t>(group)];
  }
  struct AlikeGroups {
    int first = 0, count = 0;
  };
  std::span<const AlikeGroups> group_classes(int communicator) const {
    return group_classes_[static_cast<size_t>(communicator)];
  }

  /// A flow of `rank` as one of its class: through the representative's port, with a copy for each member of the class
  /// that shares it.
  Flow of_class(Flow flow, int rank) const;

 private:
  void number_groups(const TaskGraph& graph);

  const Platform& platform_;
  std::vector<int> class_of_;
  std::vector<std::vector<int>> members_;
  std::vector<std::vector<int>> group_class_;            // [communicators, groups]
  std::vector<std::vector<AlikeGroups>> group_classes_;  // [communicators, classes of groups]
  std::vector<int> copies_;                              // [port kinds, classes]
};

}  // namespace moesaic::simulator
