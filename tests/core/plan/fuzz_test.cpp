#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "tests/core/plan/sample_plan.h"
#include "tests/core/schema/mutations.h"

namespace moesaic {
namespace {

TEST(PlanFuzz, PlansAreReadOrRefused) {
  Json plan = write_plan(testing::sample_plan());
  plan.erase("hashes");  // else every change inside a document stops at its hash
  testing::expect_survival(plan.dump(), 1,
                           [](const std::string& text) { read_plan(parse_json(text, "f.json"), "f.json"); });
}

TEST(PlanFuzz, ACorruptedPlanWithHashesNeverYieldsOtherDocuments) {
  const Plan plan = testing::sample_plan();
  const std::string text = write_plan(plan).dump();
  for (int i = 0; i < testing::kMutations; ++i) {
    try {
      const Plan read = read_plan(
          parse_json(testing::mutated(text, testing::run_seed() + static_cast<uint64_t>(i)), "f.json"), "f.json");
      EXPECT_EQ(read.model, plan.model);
      EXPECT_EQ(read.cluster, plan.cluster);
      EXPECT_EQ(read.workload, plan.workload);
      EXPECT_EQ(read.routing, plan.routing);
      EXPECT_EQ(read.profile, plan.profile);
    } catch (const InputError&) {
    }
  }
}

}  // namespace
}  // namespace moesaic
