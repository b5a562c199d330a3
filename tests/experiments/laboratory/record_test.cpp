#include "experiments/laboratory/record.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

struct Part {
  std::string of;
  double value = 0;

  static void members(auto& self, auto visit) {
    visit(self.of.c_str(), self.value);  // a key that the whole knows
  }
};

struct Whole {
  static constexpr const char* kKind = "result";
  std::string of;
  int64_t bytes = 0;
  uint64_t seed = 0;
  bool good = false;
  std::vector<Part> parts;
  std::map<std::string, std::vector<double>> rates;
  std::optional<int> rounds;

  static void members(auto& self, auto visit) {
    visit("of", self.of);
    visit("bytes", self.bytes);
    visit("seed", self.seed);
    visit("good", self.good);
    visit("parts", self.parts, Part{self.of, 0});
    visit("rates", self.rates);
    visit("rounds", self.rounds);
  }
};

Json whole_document() {
  return Json::parse(R"({"kind": "moesaic.result/1", "of": "x", "bytes": -3, "seed": 18446744073709551615, "good": true,
    "parts": [{"x": 1.0}, {"x": -0.5}], "rates": {"a": [0.25], "b": []}, "rounds": 2})");
}

TEST(Record, IsWrittenAsItWasRead) {
  const Whole whole = read_document<Whole>(whole_document(), "result.json");
  EXPECT_EQ(whole.bytes, -3);
  EXPECT_EQ(whole.seed, 18446744073709551615u);
  ASSERT_EQ(whole.parts.size(), 2u);
  EXPECT_EQ(whole.parts[1].value, -0.5);
  EXPECT_EQ(whole.rates.at("a"), std::vector<double>{0.25});
  EXPECT_EQ(whole.rounds, 2);
  EXPECT_EQ(write_document(whole).dump(), whole_document().dump());
}

TEST(Record, LeavesOutWhatIsNotThere) {
  Json json = whole_document();
  json.erase("rounds");
  const Whole whole = read_document<Whole>(json, "result.json");
  EXPECT_FALSE(whole.rounds.has_value());
  EXPECT_EQ(write_document(whole).dump(), json.dump());
}

TEST(Record, RefusesWhatItDoesNotDescribe) {
  for (const char* patch : {R"({"kind": "moesaic.plan/1"})", R"({"more": 1})", R"({"bytes": 0.5})", R"({"good": null})",
                            R"({"parts": [{"y": 1.0}]})", R"({"rates": {"a": ["fast"]}})", R"({"of": 3})"}) {
    Json json = whole_document();
    json.update(Json::parse(patch));
    EXPECT_THROW(read_document<Whole>(json, "result.json"), InputError) << patch;
  }
}

}  // namespace
}  // namespace moesaic::experiments
