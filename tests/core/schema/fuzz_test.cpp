#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/hash.h"
#include "tests/core/schema/sample_plan.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

// Per document and run; other mutations with --gtest_shuffle --gtest_random_seed=N.
constexpr int kMutations = 1000;

uint64_t run_seed() { return splitmix64(static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed())); }

/// Reads a document of any kind; true where it was accepted. Anything but InputError escapes and fails the test.
bool accepts(const std::string& text) {
  try {
    const Json json = parse_json(text, "f.json");
    const std::string kind = document_kind(json, "f.json");
    if (kind == "model") count_parameters(read_model(json, "f.json"));
    if (kind == "cluster") read_cluster(json, "f.json");
    if (kind == "workload") read_workload(json, "f.json");
    if (kind == "routing") read_routing(json, "f.json");
    if (kind == "profile") read_profile(json, "f.json");
    if (kind == "plan") read_plan(json, "f.json");
    return true;
  } catch (const InputError&) {
    return false;
  }
}

/// One of: a flipped bit, a random byte, a cut, a removed or doubled stretch, a digit made huge.
std::string mutated(std::string text, uint64_t key) {
  const auto draw = [&key](size_t limit) { return static_cast<size_t>((key = splitmix64(key)) % limit); };
  const size_t at = draw(text.size());
  switch (draw(6)) {
    case 0:
      text[at] = static_cast<char>(text[at] ^ (1 << draw(8)));
      break;
    case 1:
      text[at] = static_cast<char>(draw(256));
      break;
    case 2:
      text.resize(at);
      break;
    case 3:
      text.erase(at, 1 + draw(20));
      break;
    case 4:
      text.insert(at, text.substr(draw(text.size()), 1 + draw(20)));
      break;
    default:
      if (const size_t digit = text.find_first_of("0123456789", at); digit != std::string::npos) {
        text.insert(digit, std::to_string(key).substr(0, 1 + draw(18)));
      }
  }
  return text;
}

void expect_survival(const std::string& text, uint64_t seed) {
  ASSERT_TRUE(accepts(text));
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i)
    accepted += accepts(mutated(text, splitmix64(seed ^ run_seed()) + static_cast<uint64_t>(i))) ? 1 : 0;
  EXPECT_GT(accepted, 0);           // for example a changed letter of a name
  EXPECT_LT(accepted, kMutations);  // for example a cut
}

TEST(Fuzz, ShippedDocumentsAreReadOrRefused) {
  for (const char* folder : {"models", "clusters", "workloads", "routing"}) {
    for (const std::string& path : testing::shipped(folder)) {
      SCOPED_TRACE(path);
      std::stringstream text;
      text << std::ifstream(path).rdbuf();
      expect_survival(text.str(), fnv1a64(std::filesystem::path(path).filename().string()));
    }
  }
}

TEST(Fuzz, PlansAreReadOrRefused) {
  Json plan = write_plan(testing::sample_plan());
  plan.erase("hashes");  // else every change inside a document stops at its hash
  expect_survival(plan.dump(), 1);
  Json recorded = {{"kind", "moesaic.routing/1"}, {"counts", {{{{1, 2, 3}, {4, 5, 6}}}}}};
  expect_survival(recorded.dump(), 2);
}

TEST(Fuzz, ACorruptedPlanWithHashesNeverYieldsOtherDocuments) {
  const Plan plan = testing::sample_plan();
  const std::string text = write_plan(plan).dump();
  for (int i = 0; i < kMutations; ++i) {
    try {
      const Plan read = read_plan(parse_json(mutated(text, run_seed() + static_cast<uint64_t>(i)), "f.json"), "f.json");
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
