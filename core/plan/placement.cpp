#include "core/plan/placement.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"

namespace moesaic {
namespace {

ExpertPlacement read_layer(ObjectReader reader) {
  ExpertPlacement layer;
  layer.slots_per_rank = static_cast<int>(reader["slots_per_rank"].integer({1, 1 << 16}));
  layer.slot_to_expert = reader["slot_to_expert"].integers<int>({0, 1 << 16});
  reader.finish();
  return layer;
}

Json write_layers(const std::vector<ExpertPlacement>& layers) {
  Json list = Json::array();
  for (const ExpertPlacement& layer : layers)
    list.push_back({{"slots_per_rank", layer.slots_per_rank}, {"slot_to_expert", layer.slot_to_expert}});
  return list;
}

}  // namespace

template <>
const FieldTable<Placement>& fields_of<Placement>() {
  static const FieldTable<Placement> fields = {[] {
    auto field = structured(
        "placement", &Placement::placement, [](const Field& from) { return from.objects(read_layer); }, write_layers);
    return described_as(std::move(field), "list: per MoE layer `slots_per_rank` and `slot_to_expert`",
                        "the expert in each slot of an expert-parallel group; `[]`: in order")
        .not_in_presets()
        .in_words("not in order");
  }()};
  return fields;
}

int64_t num_placed_experts(const Plan& plan) { return plan.model.num_experts * plan.layout.expert_slices; }

std::vector<int> replica_rounds(const ExpertPlacement& placement) {
  const auto rank_of = [&](size_t slot) { return slot / static_cast<size_t>(placement.slots_per_rank); };
  std::map<int, std::vector<size_t>> slots_of;  // by expert
  for (size_t slot = 0; slot < placement.slot_to_expert.size(); ++slot)
    if (placement.slot_to_expert[slot] != kNoExpert) slots_of[placement.slot_to_expert[slot]].push_back(slot);
  std::vector<std::vector<size_t>> replicated;
  for (auto& [expert, slots] : slots_of)
    if (slots.size() > 1) replicated.push_back(std::move(slots));
  const auto num_ranks = [&](const std::vector<size_t>& slots) {
    std::set<size_t> ranks;
    for (size_t slot : slots) ranks.insert(rank_of(slot));
    return ranks.size();
  };
  std::stable_sort(replicated.begin(), replicated.end(),
                   [&](const auto& a, const auto& b) { return num_ranks(a) > num_ranks(b); });
  std::vector<int> round_of_slot(placement.slot_to_expert.size(), -1);
  std::vector<std::set<size_t>> busy;  // [rounds]: ranks
  for (const std::vector<size_t>& slots : replicated) {
    const auto is_free = [&](const std::set<size_t>& ranks) {
      return std::none_of(slots.begin(), slots.end(), [&](size_t slot) { return ranks.contains(rank_of(slot)); });
    };
    const auto round = std::find_if(busy.begin(), busy.end(), is_free) - busy.begin();
    if (round == std::ssize(busy)) busy.emplace_back();
    for (size_t slot : slots) {
      busy[static_cast<size_t>(round)].insert(rank_of(slot));
      round_of_slot[slot] = static_cast<int>(round);
    }
  }
  return round_of_slot;
}

ExpertPlacement contiguous_placement(int num_experts, int ep) {
  MOESAIC_CHECK(ep > 0 && num_experts % ep == 0, "contiguous placement needs experts that divide evenly over ep");
  ExpertPlacement placement;
  placement.slots_per_rank = num_experts / ep;
  placement.slot_to_expert.resize(static_cast<size_t>(num_experts));
  std::iota(placement.slot_to_expert.begin(), placement.slot_to_expert.end(), 0);
  return placement;
}

ExpertPlacement default_placement(const Plan& plan) {
  const auto experts = static_cast<int>(num_placed_experts(plan));
  const int slices = plan.layout.expert_slices, ep = plan.layout.ep;
  ExpertPlacement placement = contiguous_placement(experts, ep);
  if (!plan.dispatch.gathers_tokens() || slices == 1 || ep % slices != 0) return placement;
  for (int slot = 0; slot < experts; ++slot) {
    const int rank = slot / placement.slots_per_rank, in_rank = slot % placement.slots_per_rank;
    const int expert = rank / slices * placement.slots_per_rank + in_rank;
    placement.slot_to_expert[static_cast<size_t>(slot)] = expert * slices + rank % slices;
  }
  return placement;
}

void check_placement(const Plan& plan, const PlanChecker& check) {
  const int64_t num_experts = num_placed_experts(plan);
  if (plan.model.routed_by_task) return;  // the teams place the experts
  if (plan.placement.empty()) {
    check.require(
        num_experts % plan.layout.ep == 0, "/layout/ep",
        std::to_string(num_experts) + " experts do not divide evenly over ep " + std::to_string(plan.layout.ep),
        "choose an ep that divides the experts, or give a placement");
    return;
  }
  check.require(static_cast<int64_t>(plan.placement.size()) == plan.model.num_moe_layers(), "/placement",
                "has " + std::to_string(plan.placement.size()) + " entries for " +
                    std::to_string(plan.model.num_moe_layers()) + " MoE layers",
                "give one placement per MoE layer, or none");
  for (size_t layer = 0; layer < plan.placement.size(); ++layer) {
    const ExpertPlacement& placement = plan.placement[layer];
    const std::string pointer = "/placement/" + std::to_string(layer);
    const int64_t slots = int64_t{plan.layout.ep} * placement.slots_per_rank;
    check.require(placement.slots_per_rank >= 1 && static_cast<int64_t>(placement.slot_to_expert.size()) == slots,
                  pointer,
                  "has " + std::to_string(placement.slot_to_expert.size()) + " slots; ep * slots_per_rank is " +
                      std::to_string(slots),
                  "list the expert of every slot of one expert-parallel group");
    std::vector<bool> present(static_cast<size_t>(num_experts), false);
    for (const int expert : placement.slot_to_expert) {
      check.require(expert >= 0 && expert < num_experts, pointer + "/slot_to_expert",
                    "names expert " + std::to_string(expert), "experts are 0 to " + std::to_string(num_experts - 1));
      present[static_cast<size_t>(expert)] = true;
    }
    for (size_t expert = 0; expert < present.size(); ++expert) {
      check.require(present[expert], pointer + "/slot_to_expert",
                    "holds expert " + std::to_string(expert) + " in no slot", "place every expert at least once");
    }
  }
}

}  // namespace moesaic
