// What one program says to the other is what it was told itself.
#include "cli/options/training_data.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::cli {
namespace {

/// Throws InputError, or CLI::ParseError.
TrainingData parsed(std::vector<std::string> arguments) {
  TrainingData data;
  std::string plan;
  CLI::App app;
  app.add_option("plan", plan);
  add_training_data(app, data);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  app.parse(arguments);
  check_training_data(app, data);
  EXPECT_TRUE(plan.empty() || plan == "plan.json");
  return data;
}

TEST(TrainingData, IsPassedOn) {
  const std::vector<std::string> said = {"--corpus",
                                         "a b.bin",
                                         "--corpus",
                                         "c.bin",
                                         "--corpus-weights",
                                         "0.25,3",
                                         "--corpus-tokens",
                                         "uint16",
                                         "--validation-corpus",
                                         "d",
                                         "--validation-corpus",
                                         "e",
                                         "--validation-every",
                                         "7",
                                         "--validation-batches",
                                         "3"};
  const TrainingData data = parsed(said);
  EXPECT_EQ(data.files, (std::vector<std::string>{"a b.bin", "c.bin"}));
  EXPECT_EQ(data.weights, (std::vector<double>{0.25, 3}));
  EXPECT_EQ(arguments_of(data), said);
  EXPECT_EQ(parsed(arguments_of(data)).validation_files, (std::vector<std::string>{"d", "e"}));
  EXPECT_EQ(arguments_of(parsed({})), std::vector<std::string>{});
  const TrainingData share = parsed({"--validation-share", "0.1"});
  EXPECT_EQ(parsed(arguments_of(share)).validation_share, 0.1);
  EXPECT_EQ(share.validation_every, 10);
}

// A file does not swallow the plan behind it.
TEST(TrainingData, LeavesWhatFollows) {
  EXPECT_EQ(parsed({"--corpus", "a", "plan.json"}).files, std::vector<std::string>{"a"});
  EXPECT_EQ(parsed({"--corpus-weights", "1,2", "plan.json"}).weights, (std::vector<double>{1, 2}));
}

TEST(TrainingData, RefusesWhatMeansNothing) {
  EXPECT_THROW(parsed({"--validation-every", "5"}), InputError);
  EXPECT_THROW(parsed({"--validation-batches", "5"}), InputError);
  EXPECT_THROW(parsed({"--validation-corpus", "a", "--validation-share", "0.1"}), InputError);
  EXPECT_THROW(parsed({"--validation-share", "1"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--corpus-tokens", "int64"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--validation-corpus", "a", "--validation-every", "0"}), CLI::ParseError);
}

}  // namespace
}  // namespace moesaic::cli
