#include "experiments/laboratory/published_system.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "planner/problem/preset.h"

namespace moesaic::experiments {
namespace {

const std::string kSystems = MOESAIC_SOURCE_DIR "/experiments/systems";

PublishedSystem shipped(const std::string& name) {
  const std::string file = kSystems + "/" + name + ".json";
  return read_published_system(read_json(file), file);
}

TEST(PublishedSystem, ShippedOnesNameAPresetAndABaselineOfTheSameModels) {
  for (const auto& entry : std::filesystem::directory_iterator(kSystems)) {
    if (entry.path().extension() != ".json") continue;
    const PublishedSystem system = shipped(entry.path().stem());
    EXPECT_EQ(system.name, entry.path().stem());
    const std::string preset = MOESAIC_SOURCE_DIR "/planner/presets/" + system.preset + ".json";
    EXPECT_NO_THROW(planner::read_preset(read_json(preset), preset));
    if (system.baseline.empty()) continue;
    const PublishedSystem baseline = shipped(system.baseline);
    for (const PublishedTraining& figure : system.training) EXPECT_NO_THROW(baseline.training_of(figure.model));
  }
}

// 209970 / 157728 = 1.331, which is what SE-MoE is said to report.
TEST(PublishedSystem, HasTheFiguresOfAModel) {
  const PublishedTraining semoe = shipped("semoe").training_of("semoe-104.1b");
  EXPECT_NEAR(semoe.tokens_per_second / shipped("deepspeed_moe").training_of("semoe-104.1b").tokens_per_second, 1.331,
              5e-4);
  EXPECT_EQ(semoe.memory_bytes, 54'400'000'000);
  EXPECT_EQ(semoe.provenance, "secondary");
}

TEST(PublishedSystem, RefusesFiguresWithoutProvenanceAndModelsWithoutFigures) {
  Json json = read_json(kSystems + "/semoe.json");
  EXPECT_THROW(read_published_system(json, "semoe.json").training_of("semoe-1b"), InputError);
  json["training"][0]["provenance"] = "measured";
  EXPECT_THROW(read_published_system(json, "semoe.json"), InputError);
  json["training"][0].erase("provenance");
  EXPECT_THROW(read_published_system(json, "semoe.json"), InputError);
}

}  // namespace
}  // namespace moesaic::experiments
