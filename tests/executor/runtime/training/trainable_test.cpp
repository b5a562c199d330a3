#include <gtest/gtest.h>

#include <functional>

#include "core/schema/error.h"
#include "executor/runtime/training/trainer.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic::executor {
namespace {

std::string model_refusal(const std::function<void(Model&)>& change) {
  Plan plan = moesaic::testing::tiny_plan(1, 1);
  change(plan.model);
  try {
    check_trainable(plan, "plan.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "trained";
}

// Whatever a model has that no kernel computes keeps it from training, by its name.
TEST(Trainable, NamesWhatNoKernelComputes) {
  EXPECT_EQ(model_refusal([](Model&) {}), "trained");
  const std::vector<std::pair<const char*, std::function<void(Model&)>>> parts = {
      {"mamba",
       [](Model& m) {
         m.recurrent = {"mamba", 1, 1, {true}};
       }},
      {"sparse attention", [](Model& m) { m.sparse_keys = 8; }},
      {"a gate of attention's output", [](Model& m) { m.attention_gate = true; }},
      {"biases of attention", [](Model& m) { m.attention_bias = true; }},
      {"a gate of shared experts", [](Model& m) { m.shared_gate = true; }},
      {"a norm of shared experts", [](Model& m) { m.shared_norm = true; }},
      {"layer norms without biases", [](Model& m) { m.norm = Norm::layer_norm, m.norm_bias = false; }},
      {"a bias of the head", [](Model& m) { m.head_bias = true; }},
      {"sigmoid scores of the router", [](Model& m) { m.uncomputed = {"sigmoid scores of the router"}; }}};
  for (const auto& [name, change] : parts)
    EXPECT_NE(model_refusal(change).find(std::string("has ") + name + ", which this executor does not compute"),
              std::string::npos)
        << model_refusal(change);
}

}  // namespace
}  // namespace moesaic::executor
