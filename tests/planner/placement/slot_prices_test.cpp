// The curve of a slot against the cost model that prices the slots of a rank together: by the tables of three GPUs,
// over models, rows and skews; and the line below it.

#include "planner/placement/slot_prices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/hardware.h"
#include "planner/placement/lpt.h"
#include "planner/placement/policies.h"

namespace moesaic::planner {
namespace {

const std::string kProfiles = std::string(MOESAIC_SOURCE_DIR) + "/profiles";

struct Case {
  const char *device, *model, *workload;
};

Plan plan_of(const Case& of, double zipf_exponent) {
  const auto document = [](const std::string& folder, const std::string& name) {
    return read_json(kProfiles + "/" + folder + "/" + name + ".json");
  };
  Plan plan;
  plan.model = read_model(document("models", of.model), of.model);
  plan.workload = read_workload(document("workloads", of.workload), of.workload);
  plan.cluster = cluster_named(std::string(of.device) + "-1x8", {kProfiles}).value();
  const std::string folder = kProfiles + "/devices/" + of.device;
  plan.profile = read_profile(read_json(folder + "/profile.json"), folder + "/profile.json");
  plan.layout = {8, 8, 1};
  plan.routing.generator = {zipf_exponent, 1, false};
  return plan;
}

std::vector<Task> passes(const Plan& plan) {
  std::vector<Task> tasks;
  for (const Op op : {Op::experts, Op::experts_dgrad, Op::experts_wgrad}) {
    if (op != Op::experts && plan.workload.phase != WorkloadPhase::training) break;
    Task task;
    task.op = op;
    task.shape.n = plan.model.expert_intermediate;
    task.shape.k = plan.model.hidden;
    task.shape.gated = plan.model.activation == Activation::swiglu;
    task.dtype = plan.workload.compute_dtype;
    if (plan.workload.phase != WorkloadPhase::training) task.stored_dtype = plan.model.expert_dtype;
    tasks.push_back(task);
  }
  return tasks;
}

/// Errors of the curve's and of its line's sums over the slots of each rank against the cost model, of balanced
/// placements of two layers: absolute, relative.
struct Errors {
  std::vector<double> curve, line;
};

void add_errors(const Case& of, double zipf_exponent, Errors& errors) {
  const Plan plan = plan_of(of, zipf_exponent);
  const CostModel prices(plan.profile, plan.cluster);
  const SlotPrices slots(plan);
  const int experts = static_cast<int>(plan.model.num_experts);
  for (int layer = 0; layer < 2; ++layer) {
    const LayerLoad load = layer_load(plan, routing_of(plan), layer);
    const LayerCostModel model = layer_cost_model(plan, slots, load);
    LayerCostModel line = model;
    line.slot_curve = {};
    const LayerPlacement placement = lpt({experts, 8, experts / 8, load.tokens, {true}}).placement;
    for (int rank = 0; rank < 8; ++rank) {
      std::vector<int64_t> rows;
      double by_curve = 0, by_line = 0, truth = 0;
      for (int slot = rank * experts / 8; slot < (rank + 1) * experts / 8; ++slot) {
        rows.push_back(std::llround(load.tokens[placement.slot_to_expert[slot]]));
        by_curve += slot_seconds(model, static_cast<double>(rows.back()));
        by_line += slot_seconds(line, static_cast<double>(rows.back()));
      }
      for (const Task& task : passes(plan)) truth += prices.experts(task, rows).seconds;
      errors.curve.push_back(std::abs(by_curve / truth - 1));
      errors.line.push_back(std::abs(by_line / truth - 1));
    }
  }
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

// The figures of planner/placement/README.md: the curve's median and 95th percentile, and its line's.
TEST(SlotPrices, FollowTheTablesOfGpus) {
  struct Stated {
    const char* device;
    double curve_median, curve_p95, line_median, line_p95;
  };
  for (const Stated& stated : {Stated{"h100-80g-sxm", 0.01, 0.16, 0.07, 0.17},
                               {"h200-141g-sxm", 0.01, 0.12, 0.05, 0.14},
                               {"a100-80g-sxm", 0.02, 0.24, 0.11, 0.66}}) {
    Errors errors;
    for (const auto& [model, workload] : {std::pair{"qwen3-30b-a3b", "decode-128x2048"},
                                          {"qwen3-30b-a3b", "prefill-8x2048"},
                                          {"olmoe-1b-7b", "semoe-training-8"},
                                          {"mixtral-8x7b", "prefill-8x2048"}})
      for (const double zipf_exponent : {0.0, 0.4, 0.8, 1.2})
        add_errors({stated.device, model, workload}, zipf_exponent, errors);
    EXPECT_LE(quantile(errors.curve, 0.5), stated.curve_median) << stated.device;
    EXPECT_LE(quantile(errors.curve, 0.95), stated.curve_p95) << stated.device;
    EXPECT_GE(quantile(errors.line, 0.5), stated.line_median) << stated.device;
    EXPECT_GE(quantile(errors.line, 0.95), stated.line_p95) << stated.device;
  }
}

TEST(SlotPrices, AreExactWhereAllSlotsHaveTheSameRows) {
  for (const char* workload : {"decode-128x2048", "prefill-8x2048", "semoe-training-8"}) {
    Errors errors;
    add_errors({"h100-80g-sxm", "qwen3-30b-a3b", workload}, 0.0, errors);
    EXPECT_LE(quantile(errors.curve, 1.0), 1e-9) << workload;
  }
}

// A tile more is read and multiplied for the first row beyond a tile; within one, rows cost their traffic alone.
TEST(SlotPrices, ShowTheStepsOfTiles) {
  const Plan plan = plan_of({"h100-80g-sxm", "mixtral-8x7b", "prefill-8x2048"}, 0.0);
  LayerCostModel model;
  SlotPrices(plan).set_curve(model, std::vector<double>(8, 2048.0));
  const double step = slot_seconds(model, 1025) - slot_seconds(model, 1024);
  const double within = (slot_seconds(model, 1152) - slot_seconds(model, 1025)) / 127;
  EXPECT_GT(step, 20 * within);
}

TEST(SlotPrices, HaveALineUnderTheirCurve) {
  for (const double rows : {1.0, 40.0, 100.0, 500.0}) {
    LayerCostModel model{0, 0, 0, 0, 1, {{1, 32, 33, 64, 65, 128}, {9, 11, 19, 21, 30, 50}}};
    set_line_under(model, rows);
    LayerCostModel line = model;
    line.slot_curve = {};
    double least = 1e9;
    for (double at = 0.25; at < 400; at += 0.25) {
      const double above = slot_seconds(model, at) - slot_seconds(line, at);
      EXPECT_GE(above, -1e-12) << rows << ", " << at;
      least = std::min(least, above / slot_seconds(model, at));
    }
    EXPECT_LE(least, 0.01) << rows;  // it touches the curve
  }
}

}  // namespace
}  // namespace moesaic::planner
