#include "executor/runtime/training/collect_choices.h"

#include <algorithm>

#include "core/routing/routing_rules.h"
#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

constexpr int32_t kElsewhere = StepChoices::kElsewhere;

/// Of all ranks: [ranks, iterations, moe layers, tokens of the rank with most, top_k].
struct GatheredChoices {
  int64_t iterations = 0, layers, most_tokens = 0, top_k;
  std::vector<int32_t> experts;
  std::vector<float> scores;

  int64_t index(int64_t rank, int64_t iteration, int64_t layer, int64_t token) const {
    return (((rank * iterations + iteration) * layers + layer) * most_tokens + token) * top_k;
  }
};

/// [iterations * layers, tokens, top_k] with room for as many tokens as any rank has, so that ranks send alike.
template <typename Value>
void append_padded(const std::vector<Value>& own, int64_t of_router, int64_t most, Value filler,
                   std::vector<Value>& all) {
  for (auto router = own.begin(); router != own.end(); router += of_router) {
    all.insert(all.end(), router, router + of_router);
    all.insert(all.end(), static_cast<size_t>(most - of_router), filler);
  }
}

GatheredChoices gather_choices(const RoutingRules& rules, int64_t layers, const std::vector<TrainedStep>& steps,
                               Gather& gather) {
  GatheredChoices all{.layers = layers, .top_k = rules.top_k, .experts = {}, .scores = {}};
  for (int rank = 0; rank < rules.ranks; ++rank) all.most_tokens = std::max(all.most_tokens, rules.tokens[rank]);
  std::vector<int32_t> experts;
  std::vector<float> scores;
  const int64_t own = rules.tokens[gather.rank()] * rules.top_k, most = all.most_tokens * rules.top_k;
  for (const TrainedStep& step : steps) {
    if (step.record.captured) continue;  // the routes stayed on the device
    append_padded(step.record.choices.experts, own, most, kElsewhere, experts);
    append_padded(step.record.choices.weights, own, most, 0.0F, scores);
    all.iterations += rules.micro_batches;
  }
  all.experts = gather(experts);
  all.scores = gather(scores);
  return all;
}

/// One stage's rank has the layer; it stands at the same place in its stage.
int64_t rank_with(const GatheredChoices& all, const RoutingRules& rules, int64_t source, int64_t iteration,
                  int64_t layer) {
  for (int64_t rank = source; rank < rules.ranks; rank += rules.stage_ranks)
    if (all.experts[static_cast<size_t>(all.index(rank, iteration, layer, 0))] != kElsewhere) return rank;
  throw InvariantError(__FILE__, __LINE__, "choices", "no stage has recorded layer " + std::to_string(layer));
}

}  // namespace

std::shared_ptr<const RoutingChoices> collect_choices(const Plan& plan, int64_t num_moe_layers,
                                                      const std::vector<TrainedStep>& steps, Gather& gather) {
  const RoutingRules rules(plan);
  const GatheredChoices all = gather_choices(rules, num_moe_layers, steps, gather);
  if (all.experts.empty()) return nullptr;
  auto choices = std::make_shared<RoutingChoices>();
  choices->top_k = rules.top_k;
  for (int64_t iteration = 0; iteration < all.iterations; ++iteration)
    for (int source = 0; source < rules.stage_ranks; ++source) {
      choices->tokens.push_back(rules.tokens[source]);
      for (int64_t token = 0; token < rules.tokens[source]; ++token)
        for (int64_t layer = 0; layer < num_moe_layers; ++layer) {
          const int64_t at = all.index(rank_with(all, rules, source, iteration, layer), iteration, layer, token);
          const auto experts = all.experts.begin() + at;
          choices->experts.insert(choices->experts.end(), experts, experts + rules.top_k);
          if (!all.scores.empty())
            choices->scores.insert(choices->scores.end(), all.scores.begin() + at,
                                   all.scores.begin() + at + rules.top_k);
        }
    }
  return choices;
}

}  // namespace moesaic::executor
