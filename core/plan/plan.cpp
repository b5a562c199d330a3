#include "core/plan/plan.h"

#include <algorithm>
#include <numeric>

#include "core/schema/error.h"

namespace moesaic {
namespace {

/// Every refusal names where in the plan it stands.
class Checker {
 public:
  explicit Checker(const std::string& file) : file_(file) {}
  void require(bool condition, const char* pointer, const std::string& problem, const std::string& remedy) const {
    if (!condition) throw InputError(file_, pointer, problem, "", remedy);
  }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
};

std::string number(int64_t value) { return std::to_string(value); }

void check_layout(const Plan& plan, const Checker& check) {
  const Layout& layout = plan.layout;
  check.require(layout.ranks >= 1 && layout.ep >= 1 && layout.micro_batches >= 1, "/layout", "has a dimension below 1",
                "give ranks, ep and micro_batches of at least 1");
  check.require(layout.ranks <= plan.cluster.num_devices(), "/layout/ranks",
                number(layout.ranks) + " ranks on a cluster of " + number(plan.cluster.num_devices()) + " devices",
                "plan for at most one rank per device");
  check.require(layout.pp >= 1 && layout.ranks % layout.pp == 0, "/layout/pp",
                number(layout.pp) + " stages of " + number(layout.ranks) + " ranks",
                "choose a pp that divides the ranks");
  const std::string of = layout.pp > 1 ? " ranks of a stage" : " ranks";
  check.require(layout.stage_ranks() % layout.ep == 0, "/layout/ep",
                "ep " + number(layout.ep) + " does not divide " + number(layout.stage_ranks()) + of,
                "choose an ep that divides the" + of);
  const int64_t parts = int64_t{layout.stage_ranks()} * layout.micro_batches;
  check.require(plan.elastic.present() || plan.workload.global_batch % parts == 0, "/layout",
                "a global batch of " + number(plan.workload.global_batch) + " does not split over " +
                    number(layout.stage_ranks()) + of + " and " + number(layout.micro_batches) + " micro-batches",
                "choose a global_batch that is a multiple of " + number(parts));
}

void check_pipeline(const Plan& plan, const Checker& check) {
  const int pp = plan.layout.pp;
  if (pp == 1) return;
  const auto alone = [&](bool condition, const std::string& problem, const std::string& remedy) {
    check.require(condition, "/layout/pp", problem, "set pp to 1, or " + remedy);
  };
  alone(plan.workload.phase == WorkloadPhase::training,
        "pipelines forward and backward passes, the workload is inference", "take a training workload");
  alone(plan.model.num_layers >= pp, number(pp) + " stages for " + number(plan.model.num_layers) + " layers",
        "choose a pp of at most the layers");
  alone(plan.layout.zero <= 1,
        "keeps gradients over several microbatches, and ZeRO stage " + number(plan.layout.zero) +
            " would exchange them for each",
        "zero to 0 or 1");
  alone(plan.embedding == Embedding::replicated,
        "gives the embedding to the first stage, and its columns are spread over all ranks",
        "embedding to \"replicated\"");
  alone(!plan.elastic.present(), "gives every stage the same shares of the batch, and elastic shares belong to ranks",
        "leave elastic out");
  alone(plan.expert_storage.home == Tier::device,
        "keeps each stage's experts on its devices; tiers below serve all layers of a rank",
        "expert_storage.home to \"device\"");
}

void check_tensor_parallelism(const Plan& plan, const Checker& check) {
  const int tp = plan.layout.tp;
  const Model& model = plan.model;
  const auto divides = [&](int64_t whole, const std::string& what) {
    check.require(tp >= 1 && whole % tp == 0, "/layout/tp",
                  "tp " + number(tp) + " does not divide " + number(whole) + " " + what,
                  "choose a tp that divides ranks, devices per node, heads, key-value heads and the dense FFN's width");
  };
  divides(plan.layout.stage_ranks(), plan.layout.pp > 1 ? "ranks of a stage" : "ranks");
  divides(plan.cluster.devices_per_node, "devices per node");
  divides(model.num_heads, "heads");
  divides(model.num_kv_heads, "key-value heads");
  if (model.num_moe_layers() < model.num_layers) divides(model.dense_intermediate, "columns of the dense FFN");
  check.require(tp == 1 || !model.latent_attention, "/layout/tp",
                "cuts heads; latent attention shares one latent vector", "set tp to 1");
  check.require(tp == 1 || !plan.elastic.present(), "/layout/tp",
                "gathers equally many tokens of each rank, and elastic shares may differ", "set tp to 1");
}

void check_expert_slices(const Plan& plan, const Checker& check) {
  const int slices = plan.layout.expert_slices;
  check.require(slices >= 1 && plan.model.expert_intermediate % slices == 0, "/layout/expert_slices",
                number(slices) + " slices of an expert of width " + number(plan.model.expert_intermediate),
                "choose a number of slices that divides expert_intermediate");
  constexpr int64_t kMostSlots = 1 << 16;  // what a placement can name
  check.require(slices == 1 || plan.model.num_experts <= kMostSlots / slices, "/layout/expert_slices",
                number(slices) + " slices of each of " + number(plan.model.num_experts) + " experts",
                "choose at most " + number(kMostSlots) + " slices in all");
  check.require(slices == 1 || !plan.model.routed_by_task, "/layout/expert_slices",
                "sends each token to several slots, and the model routes by task", "set expert_slices to 1");
}

void check_recompute(const Plan& plan, const Checker& check) {
  check.require(plan.layout.recompute == Recompute::none || plan.workload.phase == WorkloadPhase::training,
                "/layout/recompute", "runs layers again for their backward pass, the workload is inference",
                "set recompute to none");
}

void check_zero(const Plan& plan, const Checker& check) {
  const int zero = plan.layout.zero;
  check.require(zero >= 0 && zero <= 3, "/layout/zero", "is " + number(zero), "choose ZeRO stage 0, 1, 2 or 3");
  check.require(zero == 0 || plan.workload.phase == WorkloadPhase::training, "/layout/zero",
                "divides training states, the workload is inference", "set zero to 0");
  check.require(zero == 3 || plan.fused_parameter_bytes == 0, "/fused_parameter_bytes",
                "groups the all-gathers of ZeRO-3, the stage is " + number(zero), "set it to 0, or zero to 3");
  check.require(plan.prefetch.dense >= 0 && (zero == 3 || plan.prefetch.dense == 0), "/prefetch/dense",
                "gathers weights ahead, which only ZeRO-3 does; the stage is " + number(zero),
                "set it to 0, or zero to 3");
}

void check_expert_storage(const Plan& plan, const Checker& check) {
  const ExpertStorage& storage = plan.expert_storage;
  const bool offloaded = storage.home != Tier::device;
  check.require(!offloaded || plan.workload.phase == WorkloadPhase::training, "/expert_storage/home",
                "offloads training states, the workload is inference", "set home to \"device\"");
  check.require(storage.home == Tier::storage || storage.cache_entries == 0, "/expert_storage/cache_entries",
                "caches states whose home is not storage", "set it to 0, or home to \"storage\"");
  check.require(plan.prefetch.experts >= 0 && (offloaded || plan.prefetch.experts == 0), "/prefetch/experts",
                "fetches experts ahead that live on the device", "set it to 0, or give expert_storage another home");
  check.require(storage.home != Tier::storage || plan.cluster.storage_read_bytes_per_s > 0, "/expert_storage/home",
                "is storage, which the cluster does not have", "give the cluster storage, or set home to \"host\"");
}

void check_embedding(const Plan& plan, const Checker& check) {
  if (plan.embedding == Embedding::replicated) return;
  check.require(plan.workload.phase == WorkloadPhase::training, "/embedding",
                "divides training states, the workload is inference", "set embedding to \"replicated\"");
  check.require(!plan.model.tied_embeddings, "/embedding",
                "cuts the columns of a table that is the head too, which needs them all",
                "take a model whose tied_embeddings are false, or set embedding to \"replicated\"");
  check.require(!plan.elastic.present(), "/embedding", "exchanges as many tokens with every rank; the batch is uneven",
                "share the batch evenly, or set embedding to \"replicated\"");
  check.require(
      plan.model.hidden % plan.layout.ranks == 0, "/embedding",
      number(plan.model.hidden) + " columns do not divide evenly over " + number(plan.layout.ranks) + " ranks",
      "choose ranks that divide the hidden size, or set embedding to \"replicated\"");
}

void check_dispatch(const Plan& plan, const Checker& check) {
  const Dispatch& dispatch = plan.dispatch;
  const bool padded = dispatch.kind == DispatchKind::padded;
  check.require(!padded || dispatch.capacity_factor > 0, "/dispatch/capacity_factor", "padded dispatch has no capacity",
                "give a capacity_factor above 0, for example 1.25");
  check.require(padded || dispatch.capacity_factor == 0, "/dispatch/capacity_factor",
                "ragged dispatch drops no token, so it has no capacity",
                "set capacity_factor to 0, or dispatch padded");
  const std::vector<int64_t> sequences = local_sequences(plan);
  const int64_t tokens = *std::min_element(sequences.begin(), sequences.end()) *
                         (plan.workload.phase == WorkloadPhase::decode ? 1 : plan.workload.sequence_length);
  check.require(dispatch.chunks >= 1 && dispatch.chunks <= tokens, "/dispatch/chunks",
                number(dispatch.chunks) + " chunks of " + number(tokens) + " tokens per rank and micro-batch",
                "choose 1 to " + number(tokens) + " chunks");
  const int per_node = plan.cluster.devices_per_node;
  check.require(
      dispatch.all_to_all == AllToAllKind::flat || (plan.layout.ep > per_node && plan.layout.ep % per_node == 0),
      "/dispatch/all_to_all",
      "hierarchical_2d with ep " + number(plan.layout.ep) + " on nodes of " + number(per_node) + " devices",
      "choose an ep that is a multiple of the devices per node and spans two nodes or more, or flat");
}

void check_placement(const Plan& plan, const Checker& check) {
  const int64_t num_experts = num_placed_experts(plan);
  if (plan.model.routed_by_task) return;  // the teams place the experts
  if (plan.placement.empty()) {
    check.require(num_experts % plan.layout.ep == 0, "/layout/ep",
                  number(num_experts) + " experts do not divide evenly over ep " + number(plan.layout.ep),
                  "choose an ep that divides the experts, or give a placement");
    return;
  }
  check.require(static_cast<int64_t>(plan.placement.size()) == plan.model.num_moe_layers(), "/placement",
                "has " + number(static_cast<int64_t>(plan.placement.size())) + " entries for " +
                    number(plan.model.num_moe_layers()) + " MoE layers",
                "give one placement per MoE layer, or none");
  for (size_t layer = 0; layer < plan.placement.size(); ++layer) {
    const ExpertPlacement& placement = plan.placement[layer];
    const std::string pointer = "/placement/" + std::to_string(layer);
    const int64_t slots = int64_t{plan.layout.ep} * placement.slots_per_rank;
    check.require(placement.slots_per_rank >= 1 && static_cast<int64_t>(placement.slot_to_expert.size()) == slots,
                  pointer.c_str(),
                  "has " + number(static_cast<int64_t>(placement.slot_to_expert.size())) +
                      " slots; ep * slots_per_rank is " + number(slots),
                  "list the expert of every slot of one expert-parallel group");
    std::vector<bool> present(static_cast<size_t>(num_experts), false);
    for (const int expert : placement.slot_to_expert) {
      check.require(expert >= 0 && expert < num_experts, (pointer + "/slot_to_expert").c_str(),
                    "names expert " + number(expert), "experts are 0 to " + number(num_experts - 1));
      present[static_cast<size_t>(expert)] = true;
    }
    for (size_t expert = 0; expert < present.size(); ++expert) {
      check.require(present[expert], (pointer + "/slot_to_expert").c_str(),
                    "holds expert " + std::to_string(expert) + " in no slot", "place every expert at least once");
    }
  }
}

void check_routing(const Plan& plan, const Checker& check) {
  if (!plan.routing.recorded()) return;
  check.require(
      plan.routing.num_moe_layers == plan.model.num_moe_layers() && plan.routing.num_experts == plan.model.num_experts,
      "/documents/routing/counts",
      "was recorded with " + number(plan.routing.num_moe_layers) + " MoE layers of " +
          number(plan.routing.num_experts) + " experts; the model has " + number(plan.model.num_moe_layers()) + " of " +
          number(plan.model.num_experts),
      "take a recording of this model, or a generator");
}

}  // namespace

ExpertPlacement contiguous_placement(int num_experts, int ep) {
  MOESAIC_CHECK(ep > 0 && num_experts % ep == 0, "contiguous placement needs experts that divide evenly over ep");
  ExpertPlacement placement;
  placement.slots_per_rank = num_experts / ep;
  placement.slot_to_expert.resize(static_cast<size_t>(num_experts));
  std::iota(placement.slot_to_expert.begin(), placement.slot_to_expert.end(), 0);
  return placement;
}

void check_plan(const Plan& plan, const std::string& file) {
  const Checker check(file);
  check_layout(plan, check);
  check_pipeline(plan, check);
  check_elastic(plan, file);
  check_tensor_parallelism(plan, check);
  check_expert_slices(plan, check);
  check_recompute(plan, check);
  check_zero(plan, check);
  check_expert_storage(plan, check);
  check_embedding(plan, check);
  check_dispatch(plan, check);
  check_placement(plan, check);
  check_routing(plan, check);
}

}  // namespace moesaic
