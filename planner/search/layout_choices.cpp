#include "planner/search/layout_choices.h"

#include <algorithm>
#include <utility>

#include "planner/layout/enumerate.h"
#include "planner/layout/training_states.h"

namespace moesaic::planner {
namespace {

bool is_training(const Problem& problem) { return problem.workload.phase == WorkloadPhase::training; }

/// Collects the choices of one dimension. What does not fit the device stays, with its reason.
class Dimension {
 public:
  Dimension(const Problem& problem, const Plan& plan, std::string what) : problem_(problem), plan_(plan) {
    space_.what = std::move(what);
  }

  /// A value that can be lowered, if need be with a flat all-to-all of one chunk.
  void add(const std::string& name, const std::function<void(Plan&)>& change) {
    Plan plan = plan_;
    change(plan);
    if (same_decisions(plan, plan_)) {
      if (!std::exchange(has_own_, true)) space_.choices.push_back({name, [](Plan&) {}, ""});
      return;
    }
    if (problem_.stop()) return;
    if (plan.layout.ep != plan_.layout.ep || plan.layout.expert_slices != plan_.layout.expert_slices ||
        plan.dispatch.exchange != plan_.dispatch.exchange)
      plan = placed_anew(problem_, std::move(plan));
    plan = with_forced_choices(problem_, std::move(plan));
    if (!can_be_lowered(plan)) {
      if (!problem_.fixed.has(&Dispatch::all_to_all)) plan.dispatch.all_to_all = AllToAllKind::flat;
      if (!problem_.fixed.has(&Dispatch::chunks)) plan.dispatch.chunks = 1;
    }
    if (!can_be_lowered(plan)) return;
    const std::string refusal = memory_refusal(plan).reason;
    space_.choices.push_back({name, [plan = std::move(plan)](Plan& p) { p = plan; }, refusal});
  }

  /// Nothing to decide where the plan's own value is the only one.
  DecisionSpace choices() {
    if (space_.choices.size() < 2) space_.choices.clear();
    return std::move(space_);
  }

 private:
  const Problem& problem_;
  const Plan& plan_;
  DecisionSpace space_;
  bool has_own_ = false;  // this plan's value is among the choices
};

DecisionSpace optimizer_states(const Problem& problem, const Plan& plan) {
  Dimension dimension(problem, plan, "training states");
  if (problem.fixed.has(&Layout::zero) || !is_training(problem) || plan.layout.stage_ranks() == 1)
    return dimension.choices();
  for (const int zero : {0, 1, 2, 3})
    dimension.add(zero == 0 ? "whole on every rank" : in_words(&Layout::zero, zero), [zero](Plan& p) {
      if (p.layout.zero != zero) divide_states(p, zero);
    });
  return dimension.choices();
}

/// Divisors of the ranks over whose stages the batch can be split, ascending.
std::vector<int> stage_counts(const Problem& problem, const Layout& layout) {
  std::vector<int> counts;
  for (int pp = 1; pp <= std::min<int64_t>(layout.ranks, problem.model.num_layers); ++pp)
    if (layout.ranks % pp == 0 && !dividing_micro_batches(problem, layout.ranks / pp).empty()) counts.push_back(pp);
  return counts;
}

/// The largest ep up to this one that divides the ranks of a stage and the experts.
int fitting_ep(const Plan& plan, int stage_ranks) {
  int ep = std::min(plan.layout.ep, stage_ranks);
  while (ep > 1 && (stage_ranks % ep != 0 || num_placed_experts(plan) % ep != 0)) --ep;
  return ep;
}

/// One number of stages fewer and more, each with the three least numbers of microbatches that keep all stages busy.
DecisionSpace pipeline_stages(const Problem& problem, const Plan& plan) {
  Dimension dimension(problem, plan, "pipeline stages");
  if (problem.fixed.has(&Layout::pp) || !is_training(problem)) return dimension.choices();
  const std::vector<int> counts = stage_counts(problem, plan.layout);
  const auto at = std::find(counts.begin(), counts.end(), plan.layout.pp);
  if (at == counts.end()) return dimension.choices();
  const auto add = [&](int pp, int micro_batches) {
    const int ep = pp == plan.layout.pp ? plan.layout.ep : fitting_ep(plan, plan.layout.ranks / pp);
    if (problem.fixed.get(&Layout::ep).value_or(ep) != ep) return;
    dimension.add(in_words(&Layout::pp, pp) + ", " + in_words(&Layout::micro_batches, micro_batches),
                  [=](Plan& p) { p.layout.pp = pp, p.layout.micro_batches = micro_batches, p.layout.ep = ep; });
  };
  add(plan.layout.pp, plan.layout.micro_batches);
  for (auto it = at == counts.begin() ? at : at - 1; it != counts.end() && it <= at + 1; ++it) {
    size_t most = 3;
    for (const int count : dividing_micro_batches(problem, plan.layout.ranks / *it)) {
      if (*it == plan.layout.pp && (count == plan.layout.micro_batches || *it == 1)) continue;
      if ((count >= *it || problem.fixed.has(&Layout::micro_batches)) && most-- > 0) add(*it, count);
      if (most == 0) break;
    }
  }
  return dimension.choices();
}

DecisionSpace tensor_parallelism(const Problem& problem, const Plan& plan) {
  Dimension dimension(problem, plan, "tensor parallelism");
  if (problem.fixed.has(&Layout::tp)) return dimension.choices();
  const int now = plan.layout.tp;
  for (const int tp : {now, now / 2, 2 * now})
    if (tp > 0) dimension.add(in_words(&Layout::tp, tp), [tp](Plan& p) { p.layout.tp = tp; });
  return dimension.choices();
}

/// Twice or half as many slices, over as many more or fewer ranks.
DecisionSpace expert_slices(const Problem& problem, const Plan& plan) {
  Dimension dimension(problem, plan, "slices of experts");
  if (problem.fixed.has(&Layout::expert_slices) || problem.fixed.has(&Layout::ep) || problem.fixed.placement ||
      plan.model.num_moe_layers() == 0)
    return dimension.choices();
  const int slices = plan.layout.expert_slices, ep = plan.layout.ep;
  const auto add = [&](int count, int over) {
    dimension.add(std::to_string(count) + (count == 1 ? " slice, ep " : " slices, ep ") + std::to_string(over),
                  [count, over](Plan& p) { p.layout.expert_slices = count, p.layout.ep = over; });
  };
  add(slices, ep);
  if (plan.dispatch.gathers_tokens()) {  // over the same ranks: moe_tp against moe_ep
    if (slices % 2 == 0) add(slices / 2, ep);
    add(2 * slices, ep);
    return dimension.choices();
  }
  if (slices % 2 == 0 && ep % 2 == 0) add(slices / 2, ep / 2);
  add(2 * slices, 2 * ep);
  return dimension.choices();
}

/// How engines serve: rows to their experts, all tokens to all experts, or those of replicated ones without sending.
DecisionSpace expert_exchange(const Problem& problem, const Plan& plan) {
  Dimension dimension(problem, plan, "expert exchange");
  if (is_training(problem) || problem.fixed.has(&Dispatch::exchange) || problem.fixed.has(&Layout::tp_tokens) ||
      plan.layout.ep == 1)
    return dimension.choices();
  const auto add = [&](const std::string& name, ExpertExchange exchange, GroupTokens tokens) {
    dimension.add(name, [=](Plan& p) { p.dispatch.exchange = exchange, p.layout.tp_tokens = tokens; });
  };
  add("all-to-all", ExpertExchange::all_to_all, GroupTokens::split);
  add("tokens gathered", ExpertExchange::all_gather, GroupTokens::split);
  if (plan.layout.tp > 1) add("tokens replicated", ExpertExchange::all_gather, GroupTokens::replicated);
  return dimension.choices();
}

/// Computing a layer again only costs time, so that it is a choice where the plan does it.
DecisionSpace recompute(const Problem& problem, const Plan& plan) {
  Dimension dimension(problem, plan, "recompute");
  if (problem.fixed.has(&Layout::recompute) || plan.layout.recompute == Recompute::none) return dimension.choices();
  for (const Recompute what : {Recompute::full, Recompute::communication_aware, Recompute::none})
    dimension.add(name_of(what), [what](Plan& p) { p.layout.recompute = what; });
  return dimension.choices();
}

DecisionSpace embedding(const Problem& problem, const Plan& plan) {
  Dimension dimension(problem, plan, "embedding");
  if (problem.fixed.has(&EmbeddingTable::embedding) || plan.layout.ranks == 1) return dimension.choices();
  for (const Embedding held : {Embedding::replicated, Embedding::column_partition})
    dimension.add(name_of(held), [held](Plan& p) { p.embedding = held; });
  return dimension.choices();
}

DecisionSpace prefetch(const Problem& problem, const Plan& plan) {
  Dimension dimension(problem, plan, "prefetch");
  const bool gathers = plan.layout.zero == 3 && !problem.fixed.has(&Prefetch::dense);
  const bool fetches = plan.expert_storage.home != Tier::device && !problem.fixed.has(&Prefetch::experts);
  for (const int ahead : {0, 1, 2}) {
    if (gathers) dimension.add(in_words(&Prefetch::dense, ahead), [=](Plan& p) { p.prefetch.dense = ahead; });
    if (fetches) dimension.add(in_words(&Prefetch::experts, ahead), [=](Plan& p) { p.prefetch.experts = ahead; });
  }
  return dimension.choices();
}

}  // namespace

const std::vector<LayoutDimension>& layout_dimensions() {
  static const std::vector<LayoutDimension> dimensions = {optimizer_states, pipeline_stages, tensor_parallelism,
                                                          expert_exchange,  expert_slices,   recompute,
                                                          embedding,        prefetch};
  return dimensions;
}

}  // namespace moesaic::planner
