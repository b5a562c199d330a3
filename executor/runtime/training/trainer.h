#pragma once
// Trains a plan's model on one rank of a job, and gathers what all ranks saw. It starts no processes or threads.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "executor/backend/backend.h"
#include "executor/comm/transport.h"
#include "executor/runtime/lanes/collectives.h"
#include "executor/runtime/lanes/watch.h"
#include "executor/runtime/training/checkpoint.h"
#include "executor/runtime/training/corpus.h"
#include "executor/runtime/training/train_result.h"
#include "executor/runtime/training/validation.h"

namespace moesaic::executor {

/// A run ends when as many steps in a row do not count: it would not find back by itself.
constexpr int kMaxSkippedInARow = 10;

struct TrainOptions {
  int64_t steps = 10;  // of the whole run, those before a checkpoint that is resumed included
  CheckpointPolicy checkpoint;
  ValidationPolicy validation;
  std::string stream;                   // file for the losses of a run that is_long() (step_stream.h); "": none
  std::string storage_folder;           // for expert states whose home is storage; "": the system's temporary folder
  std::function<void()> check = [] {};  // called between tasks while waiting; throws to end the run
  Processor processor;                  // of this host, where the backend is its CPU
  MakeDeviceGroups device_groups;       // of devices with memory of their own; empty: staged through host memory
  bool capture = false;  // forward and backward as a graph of the device from the second step on: check_captures()
  RoutingForm record = RoutingForm::counts_by_source;  // what the result says of routing: check_trainable()
  StallLimits stall;
  std::function<bool()> ending = [] { return false; };  // true once the job is being ended from outside
  std::function<void(const Stall&, StallEvent)> on_stall = [](const Stall&, StallEvent) {};  // on any rank
  std::function<void(int64_t step, double loss)> on_step = [](int64_t, double) {};           // on rank 0
  std::function<void(const std::string&)> on_warning = [](const std::string&) {};            // as well
  std::function<void(int64_t step, const std::string& reason)> on_skip = [](int64_t, const std::string&) {};  // as well
};

/// Runs up to `options.steps` steps. DeviceError after kMaxSkippedInARow steps in a row whose losses or gradients are
/// not finite; what they left is what was before them. Refuses (InputError) what this executor does not train: other
/// phases than training, other blocks than GPT-MoE's.
TrainResult train(const Plan& plan, int rank, Backend& backend, Transport& transport, const Corpus& corpus,
                  const TrainOptions& options);

/// Makes the device of a rank, on the rank's thread.
using MakeBackend = std::function<std::unique_ptr<Backend>(int rank)>;
std::unique_ptr<Backend> make_cpu_backend(int rank);

/// The same on `plan.layout.ranks` threads of this process, with a backend each. A rank that throws ends all; its error
/// is rethrown.
TrainResult train_on_threads(const Plan& plan, const Corpus& corpus, const TrainOptions& options,
                             const MakeBackend& make_backend = make_cpu_backend);

/// Throws InputError unless the executor can train this plan, on whatever device it is for, and record so much of its
/// routing. `file` names the plan in the message.
void check_trainable(const Plan& plan, const std::string& file, RoutingForm record = RoutingForm::counts_by_source);

}  // namespace moesaic::executor
