#include "planner/layout/layout_space.h"

#include <algorithm>

#include "planner/layout/enumerate.h"
#include "planner/layout/training_states.h"

namespace moesaic::planner {
namespace {

std::vector<int> divisors(int of) {
  std::vector<int> values;
  for (int value = 1; value <= of; ++value)
    if (of % value == 0) values.push_back(value);
  return values;
}

std::vector<int> powers_of_two(int64_t most) {
  std::vector<int> values;
  for (int value = 1; value <= most; value *= 2) values.push_back(value);
  return values;
}

template <typename T, typename Decision>
std::vector<T> values_of(const Problem& problem, T Decision::*member, std::vector<T> open) {
  if (const std::optional<T> fixed = problem.fixed.get(member)) return {*fixed};
  return open;
}

/// One plan on which the values are tried, one decision after the other.
class LayoutWalk {
 public:
  LayoutWalk(const Problem& problem, const LayoutValues& values, const std::function<bool(const Plan&)>& visit)
      : problem_(problem), values_(values), visit_(visit) {
    Layout layout;
    layout.ranks = problem.ranks > 0 ? problem.ranks : problem.cluster.num_devices();
    plan_ = baseline_plan(problem, layout);
  }

  int64_t run() {
    stages();
    return visited_;
  }

 private:
  bool goes_on() const { return going_ && !problem_.stop(); }
  void each(const auto& values, const auto& set) {
    for (const auto value : values)
      if (goes_on()) set(value);
  }

  void stages() {
    each(values_.pp, [&](int pp) {
      plan_.layout.pp = pp;
      if (plan_.layout.ranks % pp == 0) tensor_parallelism();
    });
  }
  void tensor_parallelism() {
    each(values_.tp, [&](int tp) {
      each(values_.tp_tokens, [&](GroupTokens tokens) {
        plan_.layout.tp = tp, plan_.layout.tp_tokens = tokens;
        if (plan_.layout.stage_ranks() % tp == 0) experts();
      });
    });
  }
  void experts() {
    each(values_.ep, [&](int ep) {
      plan_.layout.ep = ep;
      if (plan_.layout.stage_ranks() % ep != 0) return;
      each(values_.expert_slices, [&](int slices) {
        plan_.layout.expert_slices = slices;
        exchange();
      });
    });
  }
  void exchange() {
    each(values_.exchange, [&](ExpertExchange how) {
      plan_.dispatch.exchange = how;
      each(values_.all_to_all, [&](AllToAllKind kind) {
        plan_.dispatch.all_to_all = kind;
        each(values_.micro_batches, [&](int count) {
          plan_.layout.micro_batches = count;
          states();
        });
      });
    });
  }
  void states() {
    each(values_.zero, [&](int zero) {
      divide_states(plan_, zero);
      if (const auto fused = problem_.fixed.get(&Buckets::fused_parameter_bytes)) plan_.fused_parameter_bytes = *fused;
      each(values_.dense_prefetch, [&](int layers) {
        if (zero != 3 && layers != values_.dense_prefetch.front()) return;
        plan_.prefetch.dense = zero == 3 ? layers : 0;
        each(values_.recompute, [&](Recompute what) {
          plan_.layout.recompute = what;
          tiers();
        });
      });
    });
  }
  void tiers() {
    each(values_.embedding, [&](Embedding held) {
      each(values_.home, [&](Tier home) {
        plan_.embedding = held, plan_.expert_storage.home = home;
        if (!can_be_lowered(plan_)) return;
        ++visited_;
        going_ = visit_(plan_);
      });
    });
  }

  const Problem& problem_;
  const LayoutValues& values_;
  const std::function<bool(const Plan&)>& visit_;
  Plan plan_;
  int64_t visited_ = 0;
  bool going_ = true;
};

}  // namespace

LayoutValues layout_values(const Problem& problem) {
  constexpr int kMostCuts = 8, kMostMicroBatches = 64;
  const bool trains = problem.workload.phase == WorkloadPhase::training;
  const int ranks = problem.ranks > 0 ? problem.ranks : problem.cluster.num_devices();
  LayoutValues values;
  values.pp = values_of(problem, &Layout::pp, trains ? divisors(ranks) : std::vector<int>{1});
  values.tp = values_of(problem, &Layout::tp, powers_of_two(trains ? kMostCuts : ranks));
  values.ep = values_of(problem, &Layout::ep, divisors(ranks));
  values.expert_slices = values_of(problem, &Layout::expert_slices, powers_of_two(kMostCuts));
  values.micro_batches =
      values_of(problem, &Layout::micro_batches, trains ? powers_of_two(kMostMicroBatches) : std::vector<int>{1});
  values.zero = values_of(problem, &Layout::zero, trains ? std::vector<int>{0, 1, 2, 3} : std::vector<int>{0});
  values.dense_prefetch = values_of(problem, &Prefetch::dense, {0, 1, 2});
  using enum Recompute;
  values.recompute = values_of(problem, &Layout::recompute,
                               trains ? std::vector<Recompute>{none, full, communication_aware} : std::vector{none});
  using enum GroupTokens;
  values.tp_tokens =
      values_of(problem, &Layout::tp_tokens, trains ? std::vector{split} : std::vector{split, replicated});
  using enum ExpertExchange;
  values.exchange =
      values_of(problem, &Dispatch::exchange, trains ? std::vector{all_to_all} : std::vector{all_to_all, all_gather});
  values.all_to_all = values_of(problem, &Dispatch::all_to_all,
                                {AllToAllKind::flat, AllToAllKind::hierarchical_2d, AllToAllKind::node_limited});
  if (values.all_to_all.front() != AllToAllKind::flat && values.all_to_all.size() == 1)
    values.all_to_all.push_back(AllToAllKind::flat);  // as plans are where what is fixed cannot be
  values.embedding = values_of(
      problem, &EmbeddingTable::embedding,
      trains ? std::vector{Embedding::replicated, Embedding::column_partition} : std::vector{Embedding::replicated});
  values.home = values_of(problem, &ExpertStorage::home, {Tier::device});
  return values;
}

int64_t for_each_layout(const Problem& problem, const LayoutValues& values,
                        const std::function<bool(const Plan&)>& visit) {
  return LayoutWalk(problem, values, visit).run();
}

}  // namespace moesaic::planner
