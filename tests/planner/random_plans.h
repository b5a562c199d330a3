#pragma once
// Legal plans drawn at random over all that a layout decides, on documents that people use, with as few layers and
// ranks as let the simulator run many of them.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "planner/prices/layer_classes.h"

namespace moesaic::planner::testing {

template <typename T>
T one_of(std::mt19937& random, const std::vector<T>& values) {
  return values[random() % values.size()];
}

/// Two microbatches of four sources: each layer, source and microbatch favours experts of its own.
inline RoutingDocument random_recording(std::mt19937& random, const Model& model) {
  RoutingDocument routing;
  routing.name = "recorded";
  routing.num_iterations = 2, routing.num_moe_layers = model.num_moe_layers();
  routing.num_sources = 4, routing.num_experts = model.num_experts;
  const int64_t all = 2 * routing.num_moe_layers * 4 * model.num_experts;
  for (int64_t i = 0; i < all; ++i) routing.counts.push_back(random() % 8 == 0 ? random() % 400 : random() % 20);
  return routing;
}

struct RandomPlans {
  std::string routing = "uniform";  // "recorded": drawn too
  bool offload = false;             // some keep expert states in host memory

  /// Six layers of a shipped model on at most 16 A100.
  Plan documents(std::mt19937& random) const {
    const auto read = [](const std::string& path) { return read_json(MOESAIC_SOURCE_DIR "/profiles/" + path); };
    const auto model = one_of<std::string>(
        random, {"mixtral-8x7b", "qwen3-30b-a3b", "semoe-13.9b", "deepseek-v2-lite", "gpt-oss-20b"});
    Plan plan;
    plan.name = model;
    plan.model = read_model(read("models/" + model + ".json"), model);
    plan.model = with_layers(plan.model, {0, 1, 2, 3, 4, 5});
    plan.cluster = read_cluster(read("clusters/a100-80g-2x8.json"), "cluster");
    plan.cluster.device.memory_bytes = Bytes{1} << 50;  // whether a plan fits is not the question
    const std::string profile = "devices/a100-80g-sxm/profile.json";
    plan.profile = read_profile(read(profile), MOESAIC_SOURCE_DIR "/profiles/" + profile);
    plan.routing = routing == "recorded" ? random_recording(random, plan.model)
                                         : read_routing(read("routing/" + routing + ".json"), "routing");
    plan.workload.phase =
        one_of<WorkloadPhase>(random, {WorkloadPhase::training, WorkloadPhase::training, WorkloadPhase::training,
                                       WorkloadPhase::prefill, WorkloadPhase::decode});
    plan.workload.compute_dtype = DType::bf16;
    return plan;
  }

  /// Drawn again until check_plan() accepts it.
  Plan draw(std::mt19937& random) const {
    Plan plan = documents(random);
    for (;;) {
      static_cast<PlanChoices&>(plan) = PlanChoices();
      draw_layout(random, plan);
      if (plan.workload.phase == WorkloadPhase::training)
        draw_training(random, plan);
      else
        draw_inference(random, plan);
      try {
        check_plan(plan, "");
        return plan;
      } catch (const InputError&) {
      }
    }
  }

 private:
  static void draw_layout(std::mt19937& random, Plan& plan) {
    plan.workload.global_batch = one_of<int64_t>(random, {16, 32, 64, 128});
    plan.workload.sequence_length = one_of<int64_t>(random, {256, 512, 1024});
    Layout& layout = plan.layout;
    layout.ranks = one_of<int>(random, {4, 8, 16, 16});
    layout.tp = one_of<int>(random, {1, 1, 2, 4});
    layout.ep = one_of<int>(random, {1, 2, 4, 8, 16});
    layout.expert_slices = one_of<int>(random, {1, 1, 2});
    plan.dispatch.chunks = one_of<int>(random, {1, 1, 2, 4});
    plan.dispatch.all_to_all = one_of<AllToAllKind>(
        random, {AllToAllKind::flat, AllToAllKind::flat, AllToAllKind::hierarchical_2d, AllToAllKind::node_limited});
  }
  void draw_training(std::mt19937& random, Plan& plan) const {
    Layout& layout = plan.layout;
    layout.pp = one_of<int>(random, {1, 1, 1, 2, 4});
    layout.micro_batches = one_of<int>(random, {1, 1, 2, 4, 8});
    layout.zero = one_of<int>(random, {0, 1, 1, 2, 3});
    layout.recompute = one_of<Recompute>(random, {Recompute::none, Recompute::full, Recompute::communication_aware});
    plan.embedding =
        one_of<Embedding>(random, {Embedding::replicated, Embedding::replicated, Embedding::column_partition});
    if (layout.zero == 3) {
      plan.prefetch.dense = one_of<int>(random, {0, 1, 2});
      plan.fused_parameter_bytes = one_of<Bytes>(random, {0, 100'000'000});
    } else {
      plan.gradient_bucket_bytes = one_of<Bytes>(random, {0, 0, 25'000'000, 500'000'000});
    }
    if (offload && random() % 3 == 0) {
      plan.expert_storage.home = Tier::host;
      plan.prefetch.experts = one_of<int>(random, {0, 1});
    }
  }
  static void draw_inference(std::mt19937& random, Plan& plan) {
    plan.dispatch.exchange = one_of<ExpertExchange>(random, {ExpertExchange::all_to_all, ExpertExchange::all_gather});
    if (!plan.dispatch.gathers_tokens()) return;
    plan.layout.tp_tokens = one_of<GroupTokens>(random, {GroupTokens::split, GroupTokens::replicated});
    plan.dispatch.chunks = 1;
    plan.dispatch.all_to_all = AllToAllKind::flat;
  }
};

}  // namespace moesaic::planner::testing
