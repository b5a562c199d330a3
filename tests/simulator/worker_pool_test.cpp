#include "simulator/worker_pool.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "simulator/simgrid_evaluator.h"
#include "tests/core/plan/sample_plan.h"
#include "tests/simulator/hand_made_graph.h"

namespace moesaic::simulator {
namespace {

Plan plan_with_chunks(int chunks) {
  Plan plan = testing::sample_plan();
  plan.profile.operators.clear();
  plan.dispatch.chunks = chunks;
  plan.placement = {{2, {6, 1, 7, 0, 5, 2, 3, 4}}};
  return plan;
}

/// Takes a second or so: long enough to be killed at work.
Plan long_plan() {
  Plan plan = plan_with_chunks(4);
  plan.model.num_layers = 300;
  plan.model.moe_layers.assign(300, true);
  plan.placement.assign(300, plan.placement.front());
  return plan;
}

std::vector<Plan> plans() {
  std::vector<Plan> all;
  for (int chunks : {1, 2, 4, 3, 8, 5}) all.push_back(plan_with_chunks(chunks));
  return all;
}

std::string bits(const Evaluation& evaluation) {
  Evaluation copy = evaluation;
  copy.wall_seconds = 0;
  return write_answer({copy, {}});
}

size_t open_files() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

/// True once the process is gone or dead and unburied.
bool has_ended(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  return !(stat >> number >> name >> state) || state == "Z";
}

/// The child that a worker has at work; waits until there is one.
pid_t child_of(pid_t worker) {
  const std::string id = std::to_string(worker);
  for (pid_t child = 0;; std::this_thread::sleep_for(std::chrono::milliseconds(1)))
    if (std::ifstream("/proc/" + id + "/task/" + id + "/children") >> child && child > 0) return child;
}

std::string error_of(const SimulationOutcome& outcome) {
  if (!outcome.error) return "";
  try {
    std::rethrow_exception(outcome.error);
  } catch (const DeviceError& error) {
    return error.what();
  }
}

TEST(WorkerPool, GivesTheSameBitsForAnyNumberOfWorkers) {
  std::vector<std::string> expected;
  for (const Plan& plan : plans()) expected.push_back(bits(simulate(plan).evaluation));
  EXPECT_NE(expected[0], expected[1]);  // chunks matter
  for (int workers : {1, 2, 4}) {
    SimgridEvaluator evaluator(workers);
    std::vector<std::string> got;
    for (const Evaluation& evaluation : evaluator.evaluate(plans())) got.push_back(bits(evaluation));
    EXPECT_EQ(got, expected) << workers << " workers";
  }
}

TEST(WorkerPool, GivesTheSameTimelineTwice) {
  const Plan plan = plan_with_chunks(2);
  const SimulationResult first = simulate(plan, {true, 0}), second = simulate(plan, {true, 0});
  EXPECT_EQ(write_timeline(first.timeline).dump(), write_timeline(second.timeline).dump());
  EXPECT_EQ(first.timeline.plan_hash, document_hash(write_plan(plan)));
  EXPECT_EQ(first.timeline.times.size(), first.timeline.rows.size() * 4);
  EXPECT_EQ(peak_memory(first.timeline), first.evaluation.prediction.peak_bytes.at("device"));
  EXPECT_TRUE(simulate(plan).timeline.rows.empty());
}

TEST(WorkerPool, ASimulationThatIsKilledIsAnErrorAndCostsNothingElse) {
  WorkerPool pool(1);
  const std::vector<Plan> work = {long_plan(), plan_with_chunks(1)};
  std::thread killer([&] { ::kill(child_of(pool.pids()[0]), SIGKILL); });
  const std::vector<SimulationOutcome> outcomes = pool.run(work, {});
  killer.join();
  EXPECT_EQ(error_of(outcomes[0]), "the simulation was ended by signal 9 (Killed)");
  EXPECT_EQ(error_of(outcomes[1]), "");
  EXPECT_GT(outcomes[1].result.evaluation.prediction.step_seconds, 0);
}

TEST(WorkerPool, AWorkerThatIsKilledIsReplaced) {
  WorkerPool pool(1);
  const pid_t worker = pool.pids()[0];
  const std::vector<Plan> work = {long_plan(), plan_with_chunks(1)};
  std::thread killer([&] {
    child_of(worker);
    ::kill(worker, SIGKILL);
  });
  const std::vector<SimulationOutcome> outcomes = pool.run(work, {});
  killer.join();
  EXPECT_EQ(error_of(outcomes[0]), "the simulation worker was ended by signal 9 (Killed)");
  EXPECT_EQ(error_of(outcomes[1]), "");
  EXPECT_NE(pool.pids()[0], worker);
}

TEST(WorkerPool, AnInterruptOfTheParentEndsWorkersAtWork) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    WorkerPool pool(1);
    const pid_t worker = pool.pids()[0];
    if (::write(ends[1], &worker, sizeof worker) == sizeof worker) pool.run(std::vector<Plan>(1000, long_plan()), {});
    ::_exit(0);
  }
  pid_t worker = -1;
  ASSERT_EQ(::read(ends[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
  const pid_t child = child_of(worker);
  ::kill(parent, SIGINT);
  int status = 0;
  ::waitpid(parent, &status, 0);
  EXPECT_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGINT);
  while (!has_ended(worker) || !has_ended(child)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::close(ends[0]), ::close(ends[1]);
}

TEST(WorkerPool, LeavesNoDescriptorAndNoProcess) {
  const size_t before = open_files();
  {
    WorkerPool pool(3);
    EXPECT_EQ(pool.run(plans(), {}).size(), 6u);
  }
  EXPECT_EQ(open_files(), before);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // no child is left, not even a dead one
}

TEST(WorkerPool, DoesNotRepeatWhatItsParentPrints) {
  ::testing::internal::CaptureStdout();
  std::fputs("once", stdout);  // still in the buffer when the worker is forked
  simulate(plan_with_chunks(1));
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "once");
}

TEST(WorkerPool, APlanThatCannotBeSimulatedKeepsItsKindOfError) {
  Plan plan = plan_with_chunks(1);
  plan.cluster.nic = {};
  EXPECT_THROW(simulate(plan), InputError);
  plan = plan_with_chunks(1);
  plan.layout.ranks = 5;
  EXPECT_THROW(simulate(plan), InputError);
}

TEST(SimgridEvaluator, AnEvaluationHasAllThatAPlanPromises) {
  const Evaluation evaluation = simulate(plan_with_chunks(1)).evaluation;
  EXPECT_TRUE(evaluation.feasible) << evaluation.reason;
  EXPECT_DOUBLE_EQ(evaluation.prediction.tokens_per_second, 16 * 128 / evaluation.prediction.step_seconds);
  EXPECT_GT(evaluation.prediction.exposed_communication_seconds, 0);
  EXPECT_GT(evaluation.activities, 0);
  EXPECT_GT(evaluation.wall_seconds, 0);
}

}  // namespace
}  // namespace moesaic::simulator
