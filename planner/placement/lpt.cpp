#include "planner/placement/lpt.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/schema/error.h"
#include "planner/placement/replication.h"

namespace moesaic::planner {
namespace {

/// The ranks while they fill up.
class Packing {
 public:
  Packing(const PlacementRequest& request, std::vector<double> rows_per_replica)
      : distinct_(request.rules.distinct_on_rank),
        placement_(unfilled(request)),
        rows_(std::move(rows_per_replica)),
        load_(request.num_ranks, 0.0),
        filled_(request.num_ranks, 0) {}

  void put(int expert) {
    int best = -1;
    for (int rank = 0; rank < placement_.num_ranks; ++rank) {
      if (full(rank) || (distinct_ && holds(rank, expert))) continue;
      if (best < 0 || load_[rank] < load_[best]) best = rank;
    }
    best >= 0 ? fill(best, expert) : put_by_exchange(expert);
  }

  const LayerPlacement& placement() const { return placement_; }

 private:
  bool full(int rank) const { return filled_[rank] == placement_.slots_per_rank; }
  int* begin(int rank) { return placement_.slot_to_expert.data() + rank * placement_.slots_per_rank; }
  int* end(int rank) { return begin(rank) + filled_[rank]; }
  bool holds(int rank, int expert) { return std::find(begin(rank), end(rank), expert) != end(rank); }

  void fill(int rank, int expert) {
    *end(rank) = expert;
    ++filled_[rank];
    load_[rank] += rows_[expert];
  }

  // Every rank with a free slot holds the expert already. Some full rank does not, and since it has more experts than
  // the free rank, one of them can move over and make room. The closest in rows is taken.
  void put_by_exchange(int expert) {
    int open = 0;
    while (full(open)) ++open;
    int* leaver = nullptr;
    for (int rank = 0; rank < placement_.num_ranks; ++rank) {
      if (holds(rank, expert)) continue;
      for (int* candidate = begin(rank); candidate != end(rank); ++candidate) {
        if (holds(open, *candidate)) continue;
        const auto distance = [&](int other) { return std::abs(rows_[other] - rows_[expert]); };
        if (leaver == nullptr || distance(*candidate) < distance(*leaver)) leaver = candidate;
      }
    }
    MOESAIC_CHECK(leaver != nullptr, "an exchange exists while replicas do not outnumber ranks");
    load_[placement_.rank_of(static_cast<int>(leaver - begin(0)))] += rows_[expert] - rows_[*leaver];
    fill(open, *leaver);
    *leaver = expert;
  }

  bool distinct_;
  LayerPlacement placement_;
  std::vector<double> rows_;  // [num_experts], rows of one replica
  std::vector<double> load_;  // [num_ranks], rows
  std::vector<int> filled_;   // [num_ranks], slots
};

}  // namespace

PlacementResult lpt(const PlacementRequest& request) {
  if (std::string refusal = refusal_of(request); !refusal.empty()) return {{}, refusal};
  const int max_replicas = request.rules.distinct_on_rank ? request.num_ranks : request.num_slots();
  const std::vector<int> counts = replicate(request.tokens, request.num_slots(), max_replicas);
  std::vector<double> rows(request.num_experts);
  for (int expert = 0; expert < request.num_experts; ++expert) rows[expert] = request.tokens[expert] / counts[expert];

  std::vector<int> order(request.num_experts);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return rows[a] > rows[b]; });
  Packing packing(request, rows);
  for (const int expert : order) {
    for (int replica = 0; replica < counts[expert]; ++replica) packing.put(expert);
  }
  return {packing.placement(), ""};
}

}  // namespace moesaic::planner
