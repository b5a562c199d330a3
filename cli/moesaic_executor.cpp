// The program `moesaic-executor`: one rank of a job, or all ranks as threads. `moesaic execute` and `moesaic profile`
// start it and read its lines.
#include <malloc.h>
#include <sched.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/options/numbers.h"
#include "cli/options/record_routing.h"
#include "cli/options/training_data.h"
#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "executor/backend/slowed_backend.h"
#include "executor/comm/local_transport.h"
#include "executor/comm/mpi_transport.h"
#include "executor/comm/tcp_transport.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/cpu/instruction_set.h"
#include "executor/devices/devices.h"
#include "executor/exchange/exchange_document.h"
#include "executor/profiling/machine.h"
#include "executor/profiling/profile.h"
#include "executor/runtime/training/captured_step.h"
#include "executor/runtime/training/result_document.h"
#include "executor/runtime/training/trainer.h"

namespace {

using namespace moesaic;

struct Options {
  std::string transport = "local", communicator, plan, result, stream, folder, command, commit, name = "measured";
  cli::TrainingData data;
  std::vector<std::string> plans;
  executor::CheckpointPolicy checkpoint;
  int64_t steps = 10, started_ms = 0;
  double budget_s = 60;
  int ranks = 2, repetitions = 1;
  executor::StallLimits stall;
  executor::JobOptions job;
  RoutingForm record = RoutingForm::counts_by_source;
  bool pin = false, emulate = false, cuda_graph = false;
};

constexpr int kNothingFound = 5;  // the exit code of `moesaic` for it

/// Rank r of this machine stays on core r mod cores, so that repeated measurements meet the same core.
void pin(int rank) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(rank % static_cast<int>(std::thread::hardware_concurrency()), &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

/// The one that was asked for, else that of the launcher.
executor::CommunicatorKind communicator_of(const Options& o) {
  return executor::parse_communicator(o.communicator.empty() ? o.transport : o.communicator);
}

/// One line for the launcher. Lines are short, so that those of several ranks do not mix.
void speak(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
}

void report_step(int64_t step, int64_t steps, double loss) {
  char text[96];
  std::snprintf(text, sizeof text, "@progress %lld %lld steps trained, loss %.4f", static_cast<long long>(step + 1),
                static_cast<long long>(steps), loss);
  speak(text);
}

/// By one rank of a job, as soon as its GPU is known to be there.
void say_slow_paths(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) speak("@warning " + path);
}

volatile std::sig_atomic_t ending = 0;

/// mpirun ends the ranks of a job that has lost one with SIGTERM and, a second later, SIGKILL. In between a rank that
/// waits says for whom.
void end_with_a_word() {
  struct sigaction action = {};
  action.sa_handler = [](int) { ending = 1; };
  sigaction(SIGTERM, &action, nullptr);
}

void report_stall(const executor::Stall& stall, executor::StallEvent event) {
  static constexpr const char* kEvents[] = {"begins", "ends", "times_out", "cut_short"};
  std::string missing;
  for (int rank : stall.missing) missing += (missing.empty() ? "" : ",") + std::to_string(rank);
  char text[64];
  std::snprintf(text, sizeof text, "@wait %s %d %.1f ", kEvents[static_cast<int>(event)], stall.rank, stall.seconds);
  speak(text + missing + " " + stall.task);
}

/// Ranks as threads, each at the speed of its device and joined by links like the cluster's, whatever this machine has:
/// with all speeds and rates small enough, many ranks share few cores and none notices. `kept` of rank 0's device.
executor::TrainResult train_emulated(const Plan& plan, const executor::Corpus& corpus, executor::TrainOptions options,
                                     executor::SlowedBackend::Kept& kept) {
  options.check = [] { std::this_thread::sleep_for(std::chrono::microseconds(50)); };  // whoever waits takes no core
  executor::LocalOptions links = executor::links_of(plan.cluster);
  if (!plan.cluster.nic.present()) links.inter_node = {};  // one node
  executor::TrainResult result;
  executor::run_on_threads(plan.layout.ranks, links, [&](int rank, executor::Transport& transport) {
    executor::cpu::CpuBackend cores;
    executor::SlowedBackend device(cores, plan.cluster.speed_of(rank));
    executor::TrainResult own = executor::train(plan, rank, device, transport, corpus, options);
    if (rank != 0) return;
    result = std::move(own);
    kept = device.kept();
  });
  return result;
}

/// Calls `body` as one rank of a job whose ranks are processes. One that fails over TCP tells the others why; under MPI
/// the launcher ends them.
void as_process(const Options& o, int ranks_per_node, const std::function<void(executor::Transport&)>& body) {
  if (o.transport == "tcp") {
    executor::TcpOptions options;
    options.ranks_per_node = ranks_per_node;
    executor::TcpTransport transport(executor::job_environment(o.job), options);
    try {
      return body(transport);
    } catch (const std::exception& error) {
      transport.abort("rank " + std::to_string(transport.rank()) + ": " + error.what());
      throw;
    }
  }
#ifdef MOESAIC_HAVE_MPI
  const executor::MpiSession session;
  executor::MpiTransport transport(session, ranks_per_node);
  body(transport);
#else
  throw DeviceError(
      "this executor was built without MPI; use --launcher tcp or local, or install libopenmpi-dev and build again");
#endif
}

executor::Corpora corpora_of(const cli::TrainingData& d, const Plan& plan) {
  return executor::open_corpora(
      {d.files, d.weights, executor::token_format(d.tokens), d.validation_files, d.validation_share},
      plan.workload.sequence_length, plan.model.vocabulary);
}

void execute(const Options& o) {
  const Plan plan = read_plan(read_json(o.plan), o.plan);
  executor::check_trainable(plan, o.plan, o.record);
  if (o.cuda_graph) executor::check_captures(plan, o.plan);
  const executor::Corpora corpora = corpora_of(o.data, plan);
  const executor::Corpus& corpus = corpora.training;
  executor::TrainOptions options;
  if (corpora.validation)
    options.validation = {&*corpora.validation, o.data.validation_every, o.data.validation_batches};
  options.steps = o.steps;
  options.checkpoint = o.checkpoint;
  options.stream = o.stream;
  options.on_step = [&](int64_t step, double loss) { report_step(step, o.steps, loss); };
  options.on_warning = [](const std::string& what) { speak("@warning " + what); };
  options.on_skip = [](int64_t step, const std::string& reason) {
    speak("@warning step " + std::to_string(step + 1) + " is skipped by all ranks: " + reason);
  };
  options.processor = {executor::this_machine().processor, executor::cpu::instruction_set(), 1};
  options.capture = o.cuda_graph, options.record = o.record;
  options.stall = o.stall;
  options.on_stall = report_stall;
  const auto save = [&](const executor::TrainResult& result) {
    Json document = executor::write_result(plan, result, corpus, name_of(executor::device_of(plan)));
    if (executor::device_of(plan) == executor::DeviceKind::cuda) document["slow_paths"] = executor::slow_paths(plan);
    write_file(o.result, document.dump() + "\n");
  };
  if (o.emulate) {
    executor::SlowedBackend::Kept kept;
    const executor::TrainResult result = train_emulated(plan, corpus, options, kept);
    Json document = executor::write_result(plan, result, corpus, "cpu");
    document["emulated"] = {{"due_seconds", kept.due},
                            {"lasted_seconds", kept.lasted},
                            {"woke_late_seconds", kept.woke_late},
                            {"slept", kept.slept}};
    return write_file(o.result, document.dump() + "\n");
  }
  if (o.transport == "local") {
    if (o.pin && plan.layout.ranks == 1) pin(0);
    executor::check_device(plan, o.plan, communicator_of(o), plan.layout.ranks);
    if (!o.communicator.empty())
      throw InputError("--communicator " + o.communicator, "", "connects processes, and these ranks are threads",
                       "ranks that are processes", "use --launcher tcp or mpirun");
    say_slow_paths(executor::slow_paths(plan));
    return save(executor::train_on_threads(plan, corpus, options,
                                           [&](int rank) { return executor::make_backend(plan, rank); }));
  }
  const auto train_rank = [&](executor::Transport& transport) {
    if (transport.size() != plan.layout.ranks)
      throw InputError(
          o.plan, "/layout/ranks",
          "is " + std::to_string(plan.layout.ranks) + "; the launcher started " + std::to_string(transport.size()),
          "as many ranks as the plan has",
          "start " + std::to_string(plan.layout.ranks) + " ranks, or plan for " + std::to_string(transport.size()));
    if (o.pin) pin(transport.rank());
    options.ending = [] { return ending != 0; };
    end_with_a_word();
    executor::RankDevice device(plan, communicator_of(o), transport);
    options.device_groups = device.device_groups();
    if (transport.rank() == 0) say_slow_paths(executor::slow_paths(plan));
    const executor::TrainResult result =
        executor::train(plan, transport.rank(), device.backend(), transport, corpus, options);
    if (transport.rank() == 0) save(result);
  };
  as_process(o, plan.cluster.devices_per_node, train_rank);
}

/// Of a profile's budget, before its measurement begins: since the moment that the launcher names, by the system's
/// clock; what ending the ranks takes, about as long as starting them, counts as spent too. A host whose clock is hours
/// off still has half of its budget.
Seconds spent_on_start(const Options& o) {
  if (o.started_ms == 0) return 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const Seconds since = std::chrono::duration<double>(now).count() - 1e-3 * static_cast<double>(o.started_ms);
  return std::clamp(2 * since, 0.0, o.budget_s / 2);
}

/// Of plans for one kind of device: those in bf16 all meet the same.
std::vector<std::string> slow_paths_of_any(const std::vector<Plan>& plans) {
  for (const Plan& plan : plans)
    if (std::vector<std::string> paths = executor::slow_paths(plan); !paths.empty()) return paths;
  return {};
}

/// The exit code.
int profile(const Options& o) {
  std::vector<Plan> plans;
  for (const std::string& file : o.plans) plans.push_back(read_plan(read_json(file), file));
  executor::ProfileOptions options;
  options.budget_s = o.budget_s;
  options.name = o.name;
  options.command = o.command;
  options.commit = o.commit;
  options.on_progress = [](Seconds spent, Seconds budget, const std::string& what) {
    speak("@progress " + std::to_string(spent) + " " + std::to_string(budget) + " " + what);
  };
  std::string too_short;
  const Plan& first = plans.front();
  if (executor::device_of(first) == executor::DeviceKind::cuda) options.device = first.cluster.device.name;
  const auto measure = [&](int rank, executor::Transport& transport) {
    if (o.pin) pin(rank);
    executor::check_device(first, o.plans.front(), executor::parse_communicator(o.transport), transport.size());
    const std::unique_ptr<executor::Backend> backend = executor::make_backend(first, rank);
    const std::vector<std::string> slow_paths = slow_paths_of_any(plans);
    if (rank == 0) say_slow_paths(slow_paths);
    executor::ProfileOptions own = options;
    own.spent_s = spent_on_start(o);
    executor::MeasuredMachine measured = executor::measure_machine(plans, rank, transport, *backend, own);
    if (rank != 0) return;
    too_short = measured.too_short;
    if (!too_short.empty()) return;
    for (const std::string& path : slow_paths) measured.profile.machine += "; " + path;
    write_file(o.folder + "/profile.json", write_profile(measured.profile).dump(1) + "\n");
    write_file(o.folder + "/cluster.json", write_cluster_in_full(measured.cluster).dump(1) + "\n");
  };
  if (o.transport == "local")
    executor::run_on_threads(o.ranks, o.ranks, measure);
  else
    as_process(o, 0, [&](executor::Transport& transport) { measure(transport.rank(), transport); });
  if (too_short.empty()) return 0;
  speak("@error " + std::to_string(kNothingFound) + " " + too_short);
  return kNothingFound;
}

/// Times the exchanges of several plans for one cluster: one job, as starting one costs more than its measurements.
void exchange(const Options& o) {
  std::vector<Plan> plans;
  for (const std::string& file : o.plans) plans.push_back(read_plan(read_json(file), file));
  const Plan& first = plans.front();
  const auto measure = [&](int rank, executor::Transport& transport) {
    executor::cpu::CpuBackend backend;
    const Json times = executor::measure_exchanges(plans, o.repetitions, rank, backend, transport);
    if (rank == 0) write_file(o.result, times.dump() + "\n");
  };
  if (o.transport == "local")
    return executor::run_on_threads(first.layout.ranks, executor::links_of(first.cluster), measure);
  as_process(o, first.cluster.devices_per_node,
             [&](executor::Transport& transport) { measure(transport.rank(), transport); });
}

/// Lists the GPUs as JSON on the standard output. Where it is asked to, it fails unless there is one and none is slower
/// than it could be.
void devices(bool require_fast_paths) {
  Json list = Json::array();
  std::string missing;
  for (const executor::Gpu& gpu : executor::gpus()) {
    list.push_back({{"name", gpu.name}, {"memory_bytes", gpu.memory_bytes}, {"slow_paths", gpu.slow_paths}});
    for (const std::string& path : gpu.slow_paths) missing += (missing.empty() ? "" : "; ") + path;
  }
  std::printf("%s\n", Json{{"devices", list}}.dump(1).c_str());
  if (!require_fast_paths) return;
  if (list.empty())
    throw DeviceError("this executor was built without CUDA, or this machine has no GPU that it can use");
  if (!missing.empty()) throw DeviceError(missing);
}

void add_transport(CLI::App& verb, Options& o) {
  verb.add_option("--transport", o.transport)->check(CLI::IsMember({"local", "mpi", "tcp"}));
  verb.add_option("--communicator", o.communicator, "between GPUs; default: through host memory")
      ->check(CLI::IsMember({"nccl"}));
  verb.add_option("--rank", o.job.rank, "of this process, for tcp; default: from the environment")
      ->check(CLI::Range(0, 1 << 20));
  verb.add_option("--size", o.job.size, "number of ranks, for tcp")->check(CLI::Range(1, 1 << 20));
  verb.add_option("--address", o.job.address, "host:port of rank 0, for tcp");
}

int run(int argc, char** argv) {
  Options o;
  int code = 0;
  CLI::App app{"One rank of a moesaic job; started by `moesaic execute` and `moesaic profile`", "moesaic-executor"};
  app.require_subcommand(1);
  CLI::App* execute_verb = app.add_subcommand("execute", "train a plan's model");
  execute_verb->add_option("--plan", o.plan)->required();
  cli::add_training_data(*execute_verb, o.data);
  execute_verb->add_option("--steps", o.steps)->check(CLI::Range(int64_t{1}, int64_t{1000000000}));
  execute_verb->add_option("--checkpoint", o.checkpoint.folder);
  execute_verb->add_option("--checkpoint-every", o.checkpoint.every)
      ->check(CLI::Range(int64_t{1}, int64_t{1000000000}));
  execute_verb->add_flag("--resume", o.checkpoint.resume);
  execute_verb->add_option("--result", o.result)->required();
  execute_verb->add_option("--stream", o.stream, "file for the losses of a long run");
  add_transport(*execute_verb, o);
  execute_verb->add_flag("--pin", o.pin);
  execute_verb->add_flag("--emulate", o.emulate);
  execute_verb->add_flag("--cuda-graph", o.cuda_graph);
  cli::add_record_routing(*execute_verb, o.record);
  cli::add_duration(*execute_verb, "--stall-warning", o.stall.warning, "0: never", cli::Zero::allowed);
  cli::add_duration(*execute_verb, "--stall-timeout", o.stall.timeout, "0: never", cli::Zero::allowed);
  execute_verb->callback([&] { execute(o); });
  CLI::App* profile_verb = app.add_subcommand("profile", "measure this machine");
  profile_verb->add_option("--for", o.plans)->required();
  profile_verb->add_option("--folder", o.folder)->required();
  cli::add_duration(*profile_verb, "--budget", o.budget_s, "time to spend");
  profile_verb->add_option("--started", o.started_ms, "when the budget began: milliseconds since 1970; default: now")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 50));
  profile_verb->add_option("--ranks", o.ranks)->check(CLI::Range(1, 1 << 20));
  profile_verb->add_option("--command", o.command);
  profile_verb->add_option("--name", o.name);
  profile_verb->add_option("--commit", o.commit);
  add_transport(*profile_verb, o);
  profile_verb->add_flag("--pin", o.pin);
  profile_verb->callback([&] { code = profile(o); });
  CLI::App* exchange_verb = app.add_subcommand("exchange", "time flat and hierarchical all-to-alls");
  exchange_verb->add_option("--for", o.plans)->required();
  exchange_verb->add_option("--repetitions", o.repetitions)->check(CLI::Range(1, 1000000));
  exchange_verb->add_option("--result", o.result)->required();
  add_transport(*exchange_verb, o);
  exchange_verb->callback([&] { exchange(o); });
  bool require_fast_paths = false;
  CLI::App* devices_verb =
      app.add_subcommand("devices", "list the GPUs, and what each runs without a library's kernels");
  devices_verb->add_flag("--require-fast-paths", require_fast_paths,
                         "exit code 3 unless a GPU and all kernels are there");
  devices_verb->callback([&] { devices(require_fast_paths); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return code;
}

int fail(const std::exception& error, int code) {
  std::string message = error.what();
  for (char& c : message)
    if (c == '\n') c = ' ';
  speak("@error " + std::to_string(code) + " " + message);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  // Operators' scratch memory stays with the process: returning it to the system costs a page fault per 4 KiB at each
  // use.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  try {
    return run(argc, argv);
  } catch (const InputError& error) {
    return fail(error, 2);
  } catch (const DeviceError& error) {
    return fail(error, 3);
  } catch (const std::exception& error) {
    return fail(error, 1);
  }
}
