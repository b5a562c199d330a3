#include "simulator/rank_classes.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace moesaic::simulator {
namespace {

/// Numbers in the order of the first rank that has each fingerprint.
std::vector<int> numbered(const std::vector<Fingerprint>& of_ranks, int& count) {
  std::map<Fingerprint, int> known;
  std::vector<int> numbers;
  for (const Fingerprint& own : of_ranks)
    numbers.push_back(known.try_emplace(own, static_cast<int>(known.size())).first->second);
  count = static_cast<int>(known.size());
  return numbers;
}

Fingerprint of_set(const std::vector<int>& ranks, const std::vector<int>& class_of) {
  Fingerprint set;
  for (const int rank : ranks) {
    Fingerprint one;
    one.add(class_of[static_cast<size_t>(rank)]);
    set.add_unordered(one);
  }
  return set;
}

/// One round: each rank's class, and those of all whom it meets and shares a port with.
std::vector<int> refined(const TaskGraph& graph, const Platform& platform, const RankEvidence& evidence,
                         const std::vector<int>& class_of, int& count) {
  std::vector<Fingerprint> next(class_of.size());
  for (size_t rank = 0; rank < next.size(); ++rank) next[rank].add(class_of[rank]);
  for (size_t family = 0; family < graph.communicators.size(); ++family)
    for (const std::vector<int>& group : graph.communicators[static_cast<int>(family)].groups) {
      const Fingerprint partners = of_set(group, class_of);
      for (const int rank : group) {
        if (!evidence.meets[static_cast<size_t>(graph.stage_of(rank))][family]) continue;
        next[static_cast<size_t>(rank)].add(family);
        next[static_cast<size_t>(rank)].add(partners);
      }
    }
  for (size_t port = 0; port < evidence.users_of_port.size(); ++port) {
    Fingerprint users = of_set(evidence.users_of_port[port], class_of);
    users.add(static_cast<int>(platform.kind_of(static_cast<int>(port))));
    for (const int rank : evidence.users_of_port[port]) next[static_cast<size_t>(rank)].add_unordered(users);
  }
  return numbered(next, count);
}

}  // namespace

RankClasses::RankClasses(const TaskGraph& graph, const Platform& platform)
    : platform_(platform), class_of_(static_cast<size_t>(graph.num_ranks)) {
  std::iota(class_of_.begin(), class_of_.end(), 0);
  for (const int rank : class_of_) members_.push_back({rank});
  copies_.assign(static_cast<size_t>(kNumPortKinds) * members_.size(), 1);
  number_groups(graph);
}

RankClasses::RankClasses(const TaskGraph& graph, const Platform& platform, const RankEvidence& evidence)
    : platform_(platform) {
  int count = 0;
  class_of_ = numbered(evidence.own, count);
  for (int before = 0; before != count;) {
    before = count;
    class_of_ = refined(graph, platform, evidence, class_of_, count);
  }
  members_.resize(static_cast<size_t>(count));
  for (int rank = 0; rank < graph.num_ranks; ++rank) members_[static_cast<size_t>(class_of(rank))].push_back(rank);
  copies_.assign(static_cast<size_t>(kNumPortKinds) * members_.size(), 0);
  for (size_t port = 0; port < evidence.users_of_port.size(); ++port)
    for (const int rank : evidence.users_of_port[port]) {
      const size_t kind = static_cast<size_t>(platform.kind_of(static_cast<int>(port)));
      const auto own = static_cast<size_t>(class_of(rank));
      if (platform.port_of(static_cast<PortKind>(kind), representative(class_of(rank))) == static_cast<int>(port))
        ++copies_[kind * members_.size() + own];
    }
  number_groups(graph);
}

void RankClasses::number_groups(const TaskGraph& graph) {
  for (const CommunicatorFamily& family : graph.communicators) {
    std::map<std::vector<int>, int> known;  // by the classes of the members
    std::vector<int>& numbers = group_class_.emplace_back();
    std::vector<AlikeGroups>& alike = group_classes_.emplace_back();
    for (const std::vector<int>& group : family.groups) {
      std::vector<int> classes;
      for (const int rank : group) classes.push_back(class_of(rank));
      std::sort(classes.begin(), classes.end());
      const auto [entry, is_new] = known.try_emplace(std::move(classes), static_cast<int>(alike.size()));
      if (is_new) alike.push_back({static_cast<int>(numbers.size()), 0});
      ++alike[static_cast<size_t>(entry->second)].count;
      numbers.push_back(entry->second);
    }
  }
}

Flow RankClasses::of_class(Flow flow, int rank) const {
  const PortKind kind = platform_.kind_of(flow.port);
  flow.port = platform_.port_of(kind, representative(class_of(rank)));
  flow.copies = copies_[static_cast<size_t>(kind) * members_.size() + static_cast<size_t>(class_of(rank))];
  return flow;
}

}  // namespace moesaic::simulator
