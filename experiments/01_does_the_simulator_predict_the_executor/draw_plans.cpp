#include "experiments/01_does_the_simulator_predict_the_executor/draw_plans.h"

#include <algorithm>
#include <map>

#include "core/plan/predicted.h"
#include "core/schema/error.h"
#include "core/schema/hash.h"
#include "planner/layout/enumerate.h"
#include "planner/placement/policies.h"

namespace moesaic::experiments {
namespace {

struct DispatchChoice {
  DispatchKind kind;
  double capacity_factor;
  const char* what;
};

constexpr DispatchChoice kDispatches[] = {
    {DispatchKind::ragged, 0, "ragged"},
    {DispatchKind::padded, 1.25, "padded 1.25"}};  // DeepSpeed-MoE's default capacity

void divide(Plan& plan, int stage, int ahead) {
  plan.layout.zero = stage;
  if (stage < 3) return;
  plan.fused_parameter_bytes = 4'000'000;
  plan.prefetch.dense = ahead;
}

/// Storage caches half of a rank's expert slots.
void move_experts(Plan& plan, Tier home, int ahead) {
  plan.expert_storage.home = home;
  plan.prefetch.experts = ahead;
  if (home == Tier::storage)
    plan.expert_storage.cache_entries = plan.model.num_experts * plan.model.num_moe_layers() / (2 * plan.layout.ep);
}

void slice_experts(Plan& plan) {
  plan.layout.expert_slices = 2;
  plan.placement.clear();
}

/// One decision about training memory.
struct MemoryChoice {
  const char* what;
  void (*apply)(Plan&);
};
constexpr MemoryChoice kMemoryChoices[] = {
    {"", [](Plan&) {}},
    {", ZeRO-1", [](Plan& plan) { divide(plan, 1, 0); }},
    {", ZeRO-2", [](Plan& plan) { divide(plan, 2, 0); }},
    {", ZeRO-3", [](Plan& plan) { divide(plan, 3, 0); }},
    {", ZeRO-3 1 ahead", [](Plan& plan) { divide(plan, 3, 1); }},
    {", experts in host memory", [](Plan& plan) { move_experts(plan, Tier::host, 0); }},
    {", experts on storage", [](Plan& plan) { move_experts(plan, Tier::storage, 0); }},
    {", experts on storage 1 ahead", [](Plan& plan) { move_experts(plan, Tier::storage, 1); }},
    {", recompute", [](Plan& plan) { plan.layout.recompute = Recompute::full; }},
    {", 2 slices", slice_experts},
    {", tp 2", [](Plan& plan) { plan.layout.tp = 2; }},
    {", 2 stages", [](Plan& plan) { plan.layout.pp = 2; }},
};

bool is_legal(const Plan& plan) {
  try {
    check_plan(plan, plan.name);
  } catch (const InputError&) {
    return false;
  }
  return true;
}

/// Each plan with each decision about memory that is legal with it.
std::vector<DrawnPlan> with_memory_choices(const std::vector<DrawnPlan>& plans) {
  std::vector<DrawnPlan> all;
  for (const DrawnPlan& plan : plans)
    for (const MemoryChoice& choice : kMemoryChoices) {
      DrawnPlan drawn = plan;
      choice.apply(drawn.plan);
      drawn.memory = choice.what;
      drawn.plan.name = drawn.what += choice.what;
      if (is_legal(drawn.plan)) all.push_back(std::move(drawn));
    }
  return all;
}

/// Shuffles by the seed alone, the same on every machine (std::shuffle's draws are the library's choice).
void shuffle(std::vector<DrawnPlan>& plans, uint64_t seed) {
  for (size_t i = plans.size(); i > 1; --i) std::swap(plans[i - 1], plans[splitmix64(seed + i) % i]);
}

/// Moves `count` of `plans` to `drawn`: the first of those whose decision about memory has been drawn least.
void draw(std::vector<DrawnPlan>& plans, size_t count, std::map<std::string, int>& draws,
          std::vector<DrawnPlan>& drawn) {
  for (; count > 0 && !plans.empty(); --count) {
    const auto next = std::min_element(plans.begin(), plans.end(), [&](const DrawnPlan& a, const DrawnPlan& b) {
      return draws[a.memory] < draws[b.memory];
    });
    ++draws[next->memory];
    drawn.push_back(std::move(*next));
    plans.erase(next);
  }
}

void add_variants(const Plan& base, const std::string& what, std::vector<DrawnPlan>& plans) {
  const bool sends = base.layout.ep > 1, reduces = base.layout.ranks > 1;
  for (const int chunks : sends ? std::vector<int>{1, 2, 4} : std::vector<int>{1})
    for (const Bytes bucket : reduces ? std::vector<Bytes>{0, 1'000'000, 16'000'000} : std::vector<Bytes>{0}) {
      DrawnPlan drawn{base, what, "", false};
      drawn.plan.dispatch.chunks = chunks;
      drawn.plan.gradient_bucket_bytes = bucket;
      if (sends) drawn.what += ", " + std::to_string(chunks) + (chunks == 1 ? " chunk" : " chunks");
      if (reduces) drawn.what += ", " + in_words(&Buckets::gradient_bucket_bytes, bucket);
      drawn.plan.name = drawn.what;
      plans.push_back(std::move(drawn));
    }
}

}  // namespace

std::vector<DrawnPlan> legal_plans(const planner::Problem& original, int ranks, bool memory) {
  planner::Problem problem = original;
  problem.ranks = ranks;
  std::vector<DrawnPlan> plans;
  for (const planner::LayoutCandidate& candidate : planner::enumerate_layouts(problem)) {
    if (!candidate.refusal.empty()) continue;
    for (const DispatchChoice& dispatch : kDispatches) {
      Plan base = planner::baseline_plan(problem, candidate.layout);
      base.dispatch.kind = dispatch.kind;
      base.dispatch.capacity_factor = dispatch.capacity_factor;
      for (const std::string& policy : candidate.layout.ep > 1 ? std::vector<std::string>{"contiguous", "local_search"}
                                                               : std::vector<std::string>{"contiguous"}) {
        const planner::PlacedLayers placed = planner::place_layers(base, policy, problem.seed);
        if (!placed.refusal.empty()) continue;
        base.placement = placed.layers;
        const std::string placement = candidate.layout.ep > 1 ? ", " + policy : "";
        add_variants(base, describe(candidate.layout) + ", " + dispatch.what + placement, plans);
      }
    }
  }
  return memory ? with_memory_choices(plans) : plans;
}

std::vector<DrawnPlan> draw_plans(const planner::Problem& problem, const std::vector<int>& rank_counts, int count,
                                  uint64_t seed, bool memory, Evaluator& evaluator) {
  std::vector<DrawnPlan> drawn;
  for (const int ranks : rank_counts) {
    std::vector<DrawnPlan> all = legal_plans(problem, ranks, memory);
    std::vector<Plan> plans;
    for (const DrawnPlan& one : all) plans.push_back(one.plan);
    const std::vector<Evaluation> evaluations = evaluator.evaluate(plans);
    Seconds best = 0;
    for (const Evaluation& e : evaluations)
      if (e.feasible && (best == 0 || e.prediction.step_seconds < best)) best = e.prediction.step_seconds;
    std::vector<DrawnPlan> near, far;
    for (size_t i = 0; i < all.size(); ++i) {
      if (!evaluations[i].feasible) continue;
      set_prediction(all[i].plan, evaluations[i].prediction);
      all[i].near_best = evaluations[i].prediction.step_seconds <= 1.2 * best;
      (all[i].near_best ? near : far).push_back(std::move(all[i]));
    }
    shuffle(near, seed);
    shuffle(far, seed + 1);
    const auto near_count = std::min(
        near.size(), std::max(static_cast<size_t>(count) / 2,
                              static_cast<size_t>(count) - std::min<size_t>(far.size(), static_cast<size_t>(count))));
    std::map<std::string, int> draws;
    draw(near, near_count, draws, drawn);
    draw(far, static_cast<size_t>(count) - near_count, draws, drawn);
  }
  if (drawn.empty()) throw InputError("", "", "no legal plan of the scenario is feasible");
  return drawn;
}

}  // namespace moesaic::experiments
