#include "planner/placement/local_search.h"

#include <random>

#include "core/schema/error.h"
#include "planner/placement/rank_loads.h"

namespace moesaic::planner {
namespace {

class PlacementWalk {
 public:
  PlacementWalk(const LayerPlacement& start, const LayerLoad& load, const LayerCostModel& model,
                const SearchOptions& options)
      : options_(options),
        random_(options.seed),
        loads_(start, load, model),
        seconds_(loads_.seconds()),
        spread_(loads_.spread()),
        num_slots_(start.num_slots()) {}

  SearchResult run() {
    SearchResult result{loads_.placement(), seconds_, seconds_, 0};
    descend();
    result.seconds = keep(result);
    int fruitless = 0;
    while (has_budget() && fruitless < options_.kicks_without_gain) {
      kick();
      descend();
      if (seconds_ < result.seconds) {
        result.seconds = keep(result);
        fruitless = 0;
      } else {
        return_to_best();
        ++fruitless;
      }
    }
    result.evaluations = evaluations_;
    return result;
  }

 private:
  bool has_budget() const { return evaluations_ < options_.max_evaluations; }

  // The engine's own numbers, since standard distributions differ between libraries.
  int random_below(int bound) { return static_cast<int>(random_() % static_cast<std::uint64_t>(bound)); }

  double keep(SearchResult& result) {
    result.placement = loads_.placement();
    way_back_.clear();
    return seconds_;
  }

  void make(const Move& move) { way_back_.push_back(loads_.apply(move)); }

  void remember() {
    seconds_ = loads_.seconds();
    spread_ = loads_.spread();
  }

  void return_to_best() {
    for (; !way_back_.empty(); way_back_.pop_back()) loads_.apply(way_back_.back());
    remember();
  }

  void kick() {
    for (int i = 0; i < options_.moves_per_kick; ++i) {
      const int slot = random_below(num_slots_);
      const int other = random_below(num_slots_);
      const int expert = loads_.placement().slot_to_expert[other];
      const Move move = random_below(2) == 0 ? Move{slot, other, -1} : Move{slot, -1, expert};
      if (loads_.allowed(move, options_.rules)) make(move);
    }
    remember();
  }

  /// Prices the move; keeps it when it is better, else takes it back.
  bool accept(const Move& move) {
    if (!has_budget() || !loads_.allowed(move, options_.rules)) return false;
    ++evaluations_;
    if (move.other_slot >= 0 && loads_.seconds_after(move) > seconds_) return false;
    const Move back = loads_.apply(move);
    const double seconds = loads_.seconds();
    if (seconds < seconds_ || (seconds == seconds_ && loads_.spread() < spread_)) {
      way_back_.push_back(back);
      remember();
      return true;
    }
    loads_.apply(back);
    return false;
  }

  void descend() {
    bool improved = true;
    while (improved && has_budget()) {
      improved = improve_rank(slowest([&](int rank) { return loads_.compute_seconds(rank); })) ||
                 improve_rank(slowest([&](int rank) { return loads_.port_seconds(rank); }));
    }
  }

  template <class Seconds>
  int slowest(Seconds seconds) const {
    int worst = 0;
    for (int rank = 1; rank < loads_.placement().num_ranks; ++rank) {
      if (seconds(rank) > seconds(worst)) worst = rank;
    }
    return worst;
  }

  bool improve_rank(int rank) {
    const int slots_per_rank = loads_.placement().slots_per_rank;
    const int turn = random_below(slots_per_rank);
    for (int i = 0; i < slots_per_rank; ++i) {
      if (improve_slot(rank * slots_per_rank + (i + turn) % slots_per_rank)) return true;
    }
    return false;
  }

  bool improve_slot(int slot) {
    const std::vector<int>& slot_to_expert = loads_.placement().slot_to_expert;
    const int turn = random_below(num_slots_);
    for (int i = 0; i < num_slots_; ++i) {
      const int other = (i + turn) % num_slots_;
      if (accept({slot, other, -1})) return true;
      if (accept({other, -1, slot_to_expert[slot]})) return true;
    }
    if (loads_.replicas(slot_to_expert[slot]) == 1) return false;
    for (int expert = 0; expert < loads_.placement().num_experts; ++expert) {
      if (accept({slot, -1, expert})) return true;
    }
    return false;
  }

  SearchOptions options_;
  std::mt19937_64 random_;
  RankLoads loads_;
  double seconds_;  // of the present placement
  double spread_;
  int num_slots_;
  std::vector<Move> way_back_;  // to the best placement, last move first
  std::int64_t evaluations_ = 0;
};

}  // namespace

SearchResult local_search(const LayerPlacement& start, const LayerLoad& load, const LayerCostModel& model,
                          const SearchOptions& options) {
  const std::string invalid = invalid_reason(start, options.rules);
  MOESAIC_CHECK(invalid.empty(), invalid);
  const std::string refusal = refusal_of(load, model, start.num_experts, start.num_ranks);
  MOESAIC_CHECK(refusal.empty(), refusal);
  return PlacementWalk(start, load, model, options).run();
}

}  // namespace moesaic::planner
