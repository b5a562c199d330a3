#include "executor/runtime/training/step_stream.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "executor/runtime/training/result_document.h"
#include "tests/executor/checkpoint/toy_state.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TrainedStep step_of(int64_t number, double loss) {
  TrainedStep step{number, loss, loss / 2, {}};
  step.record.seconds = 0.25;
  return step;
}

std::string line_of(int64_t number, const std::string& loss, const std::string& cross_entropy) {
  return "{\"step\":" + std::to_string(number) + ",\"loss\":" + loss + ",\"cross_entropy\":" + cross_entropy +
         ",\"seconds\":0.25}\n";
}

TEST(StepStream, EveryLineIsThereAtOnce) {
  const TestFolder folder;
  const std::string file = folder.path + ".jsonl";
  StepStream stream(file, 0);
  EXPECT_EQ(text_of(file), "");
  stream.write(step_of(0, 5));
  EXPECT_EQ(text_of(file), line_of(1, "5", "2.5"));
  stream.write(step_of(1, std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(text_of(file), line_of(1, "5", "2.5") + line_of(2, "null", "null"));
}

// A run that was killed while it wrote its fourth line, and resumes from the checkpoint of step 2, or from the
// beginning.
TEST(StepStream, GoesOnBehindTheStepsThatAreDone) {
  const TestFolder folder;
  const std::string file = folder.path + ".jsonl";
  const std::string two = line_of(1, "5", "2.5") + line_of(2, "4", "2"), third = line_of(3, "3", "1.5");
  for (const std::string& rest :
       {std::string(), third, third + "{\"step\":4,\"lo", third + "{\"step\":4,\"loss\":1}"}) {
    std::ofstream(file) << two << rest;
    StepStream(file, 2).write(step_of(2, 7));
    EXPECT_EQ(text_of(file), two + line_of(3, "7", "3.5"));
  }
  std::ofstream(file) << two;
  StepStream(file, 0).write(step_of(0, 7));
  EXPECT_EQ(text_of(file), line_of(1, "7", "3.5"));
  std::ofstream(file) << "no line of a stream\n" << two;
  StepStream(file, 2).write(step_of(2, 7));
  EXPECT_EQ(text_of(file), line_of(3, "7", "3.5"));
}

TEST(StepStream, SaysWhereItCannotBe) { EXPECT_THROW(StepStream("/nonexistent/losses.jsonl", 0), InputError); }

// A file may have 10 bytes, as on a disk that has no more.
TEST(StepStream, SaysWhereItEnds) {
  const TestFolder folder;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit few{10, before.rlim_max};
  StepStream stream(folder.path + ".jsonl", 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &few);
  EXPECT_THROW(stream.write(step_of(0, 5)), DeviceError);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
}

/// One MoE layer of two experts: a step takes less than a millisecond.
Plan tiny_plan() {
  Plan plan = testing::unchecked_plan_of(1, 2, 2);
  plan.model.num_layers = 1;
  plan.model.moe_layers = {true};
  plan.model.num_experts = 2;
  plan.model.top_k = 1;
  plan.model.hidden = 8;
  plan.model.num_heads = plan.model.num_kv_heads = 1;
  plan.model.head_dim = 8;
  plan.model.expert_intermediate = plan.model.dense_intermediate = 8;
  plan.workload.global_batch = 2;
  plan.workload.sequence_length = 4;
  plan.layout.micro_batches = 1;
  check_plan(plan, "test");
  return plan;
}

// 600 steps, resumed after 560 of them: the stream has all, the results a sample of the first and all of the last 40.
TEST(LongRun, RemembersSomeStepsAndStreamsAll) {
  const TestFolder folder;
  const std::string file = folder.path + ".jsonl";
  const Plan plan = tiny_plan();
  const Corpus corpus = testing::corpus();
  TrainOptions options;
  options.checkpoint = {folder.path, 1000, true};
  options.stream = file;
  options.steps = 560;
  const TrainResult first = train_on_threads(plan, corpus, options);
  options.steps = 600;
  const TrainResult rest = train_on_threads(plan, corpus, options);

  std::vector<double> streamed;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const Json step = Json::parse(line);
    streamed.push_back(step["loss"]);
    EXPECT_EQ(step["step"], streamed.size());
  }
  ASSERT_EQ(streamed.size(), 600u);
  EXPECT_EQ(first.num_steps, 560);
  ASSERT_EQ(first.loss.size(), 512u);
  ASSERT_EQ(first.steps.size(), 512u);
  for (size_t i = 0; i < 512; ++i) EXPECT_EQ(first.loss[i], streamed[static_cast<size_t>(first.steps[i])]);
  EXPECT_EQ(rest.loss, std::vector<double>(streamed.begin() + 560, streamed.end()));
  EXPECT_FALSE(rest.long_run);

  const Json document = write_result(plan, first, corpus, "cpu");
  const Json& sample = document["sample"];
  EXPECT_EQ(document["steps"], 560);
  for (const char* series : {"loss", "cross_entropy", "all_step_seconds"}) EXPECT_EQ(document[series].size(), 512u);
  EXPECT_EQ(read_measured_steps(document, "result")->disturbance.by_step.size(), 512u);
  EXPECT_EQ(document["routing"]["counts"].size(), 512u);  // [steps kept * 1 microbatch]
  EXPECT_EQ(sample["steps"].front(), 1);
  EXPECT_EQ(sample["steps"].back(), 560);
  EXPECT_EQ(sample["stream"], std::filesystem::path(file).filename().string());
  ASSERT_EQ(sample["step_statistics"].size(), 2u);
  for (const Json& row : sample["step_statistics"]) EXPECT_EQ(row[1], 560);
  EXPECT_EQ(sample["task_statistics"].size(), document["timeline"]["times"].size());
  for (const Json& row : sample["task_statistics"]) {
    EXPECT_EQ(row[2], 560);
    EXPECT_LE(row[5], row[4]);  // least <= median <= most
    EXPECT_LE(row[4], row[6]);
  }
  EXPECT_FALSE(write_result(plan, rest, corpus, "cpu").contains("sample"));
}

}  // namespace
}  // namespace moesaic::executor
