// The schedules of the learning rate, and what gradients are clipped to.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/schema/sample_documents.h"

namespace moesaic {
namespace {

using Decay = LearningRateSchedule::Decay;

Optimizer scheduled(Decay decay, int64_t warmup_steps = 4) {
  Optimizer optimizer;
  optimizer.learning_rate = 6e-4;
  optimizer.schedule = {decay, warmup_steps, 12, 6e-5};
  return optimizer;
}

void expect_rates(const Optimizer& optimizer, const std::vector<std::pair<int64_t, double>>& rates) {
  for (const auto& [step, rate] : rates) EXPECT_NEAR(optimizer.learning_rate_at(step), rate, 1e-18) << step;
}

// nanoGPT's get_lr() with learning_rate 6e-4, warmup_iters 4, lr_decay_iters 12, min_lr 6e-5: 6e-4 (t + 1) / 5 up to
// t = 3, then 6e-5 + c 5.4e-4 with c = (1 + cos(pi (t - 4) / 8)) / 2: 1, (2 + sqrt 2) / 4, 1/2, (2 - sqrt 2) / 4, 0.
TEST(LearningRate, FallsAsACosine) {
  expect_rates(scheduled(Decay::cosine), {{0, 1.2e-4},
                                          {3, 4.8e-4},
                                          {4, 6e-4},
                                          {6, 5.2091883092036783e-4},
                                          {8, 3.3e-4},
                                          {10, 1.3908116907963217e-4},
                                          {12, 6e-5},
                                          {1000, 6e-5}});
}

// 6e-5 + 5.4e-4 (12 - t) / 8 behind the warm-up.
TEST(LearningRate, FallsInALine) {
  expect_rates(scheduled(Decay::linear),
               {{0, 1.2e-4}, {4, 6e-4}, {6, 4.65e-4}, {11, 1.275e-4}, {12, 6e-5}, {13, 6e-5}});
}

TEST(LearningRate, StaysAtItsPeak) {
  expect_rates(scheduled(Decay::constant), {{0, 1.2e-4}, {3, 4.8e-4}, {4, 6e-4}, {1000, 6e-4}});
  expect_rates(scheduled(Decay::cosine, 0), {{0, 6e-4}, {6, 3.3e-4}});
  EXPECT_EQ(Optimizer().learning_rate_at(123), 1e-3);
}

// torch.nn.utils.clip_grad_norm_: max_norm / (total_norm + 1e-6), at most 1.
TEST(GradientScale, IsThatOfTorch) {
  Optimizer optimizer;
  EXPECT_EQ(optimizer.gradient_scale(1e9), 1.0f);
  optimizer.max_gradient_norm = 1;
  EXPECT_EQ(optimizer.gradient_scale(0.5), 1.0f);
  EXPECT_EQ(optimizer.gradient_scale(2), static_cast<float>(1 / 2.000001));
}

Workload read(const std::string& optimizer) {
  Json json = write_workload(testing::sample_workload());
  json["optimizer"] = Json::parse(optimizer);
  return read_workload(json, "w.json");
}

TEST(LearningRate, IsADocumentAndBack) {
  Workload workload = testing::sample_workload();
  for (const Decay decay : {Decay::constant, Decay::linear, Decay::cosine}) {
    workload.optimizer.schedule = {decay, 10};
    if (decay != Decay::constant) workload.optimizer.schedule = {decay, 10, 100, 1e-5};
    workload.optimizer.max_gradient_norm = 0.5;
    EXPECT_EQ(read_workload(write_workload(workload), "w.json"), workload);
  }
  const Json off = write_workload(testing::sample_workload())["optimizer"];
  EXPECT_FALSE(off.contains("schedule") || off.contains("max_gradient_norm"));  // hashes are those of before
}

TEST(LearningRate, OfNoScheduleIsRefused) {
  const auto refusal = [](const std::string& schedule) -> std::string {
    try {
      read(R"({"learning_rate": 0.001, "schedule": )" + schedule + "}");
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal(R"({"decay": "cosine", "decay_steps": 10})"), "accepted");
  for (const auto& [schedule, pointer] : std::vector<std::pair<const char*, const char*>>{
           {R"({"decay": "step"})", "/optimizer/schedule/decay"},
           {R"({"decay": "cosine"})", "/optimizer/schedule/decay_steps"},
           {R"({"decay": "linear", "warmup_steps": 10, "decay_steps": 10})", "/optimizer/schedule/decay_steps"},
           {R"({"decay": "linear", "warmup_steps": -1, "decay_steps": 10})", "/optimizer/schedule/warmup_steps"},
           {R"({"decay": "linear", "decay_steps": 10, "min_learning_rate": 0.1})",
            "/optimizer/schedule/min_learning_rate"},
           {R"({"decay": "constant", "decay_steps": 10})", "/optimizer/schedule/decay_steps"}})
    EXPECT_NE(refusal(schedule).find(pointer), std::string::npos) << refusal(schedule);
  EXPECT_THROW(read(R"({"max_gradient_norm": -1})"), InputError);
}

}  // namespace
}  // namespace moesaic
