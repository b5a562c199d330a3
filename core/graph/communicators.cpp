#include "core/graph/communicators.h"

#include <algorithm>
#include <map>
#include <string>

namespace moesaic {
namespace {

CommunicatorFamily family(const std::string& name, int ranks, const auto& group_key) {
  CommunicatorFamily result{name, {}, Table<int, int>(static_cast<size_t>(ranks))};
  std::map<int, int> index_of;
  for (int rank = 0; rank < ranks; ++rank) {
    const auto [entry, fresh] = index_of.try_emplace(group_key(rank), static_cast<int>(result.groups.size()));
    if (fresh) result.groups.emplace_back();
    result.groups[entry->second].push_back(rank);
    result.group_of_rank[rank] = entry->second;
  }
  return result;
}

}  // namespace

Table<int, CommunicatorFamily> communicators_of(const Layout& layout, const Cluster& cluster, const Elastic& elastic) {
  const int ranks = layout.ranks, ep = layout.ep, local = std::min(cluster.devices_per_node, ep),
            of_stage = layout.stage_ranks();
  Table<int, CommunicatorFamily> families = {
      family("world", ranks, [](int) { return 0; }), family("ep", ranks, [=](int r) { return r / ep; }),
      family("expert_dp", ranks,
             [&](int r) { return elastic.teams.empty() ? r / of_stage * ep + r % ep : team_of(elastic, r).team; }),
      family("node", ranks, [=](int r) { return r / local; }),
      family("rail", ranks, [=](int r) { return r / ep * local + r % local; })};
  if (const int tp = layout.tp; tp > 1) {
    families.push_back(family("tp", ranks, [=](int r) { return r / tp; }));
    families.push_back(family("dp", ranks, [=](int r) { return r / of_stage * tp + r % tp; }));
  }
  if (const int copies = layout.token_copies(); copies > 1)
    families.push_back(family("sources", ranks, [=](int r) { return r / ep * copies + r % copies; }));
  if (layout.pp == 1) return families;
  families.push_back(family("stage", ranks, [=](int r) { return r / of_stage; }));
  for (int stage = 0; stage + 1 < layout.pp; ++stage)
    families.push_back(family("stages " + std::to_string(stage) + " and " + std::to_string(stage + 1), ranks,
                              [=](int r) { return r / of_stage == stage + 1 ? r - of_stage : r; }));
  families.push_back(family("embedding", ranks, [=](int r) { return r / of_stage % (layout.pp - 1) == 0 ? 0 : r; }));
  return families;
}

}  // namespace moesaic
