// moesaic profile: measures this machine with the executor's own operators; writes profile.json and cluster.json into a
// folder.
#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/launcher.h"
#include "cli/options/numbers.h"
#include "cli/output_folder.h"
#include "cli/results.h"
#include "cli/verbs.h"
#include "core/plan/plan_document.h"
#include "core/schema/error.h"
#include "core/schema/formatted.h"

namespace moesaic::cli {
namespace {

struct ProfileVerbOptions {
  std::string output, device, model = "gpt-moe-tiny", workload = "cpu-demo", launcher;
  std::vector<std::string> plans;
  int ranks = 2;
  bool pin = false;
  double budget_s = 60;
};

/// Without --for: the shapes of one model and workload, with experts in one rank and spread over all, in large
/// microbatches and small.
std::vector<std::string> plans_to_measure(const ProfileVerbOptions& o, const Session& session,
                                          const TemporaryFolder& folder) {
  if (!o.plans.empty()) {
    for (const std::string& file : o.plans)
      if (!o.device.empty()) check_device(o.device, file, session.load_plan(file).cluster);
    return o.plans;
  }
  std::vector<std::string> files;
  Plan plan;
  plan.name = o.model;
  plan.model = session.load_model(o.model);
  plan.workload = session.load_workload(o.workload);
  plan.cluster = session.load_cluster("cpu-2core");
  if (!o.device.empty()) check_device(o.device, "the plan that is measured without --for", plan.cluster);
  plan.cluster.devices_per_node = std::max(plan.cluster.devices_per_node, o.ranks);
  for (const int ep : {1, o.ranks})
    for (const int micro_batches : {1, 4}) {
      plan.layout = {o.ranks, ep, micro_batches};
      if (micro_batches > 1 && plan.workload.global_batch % (int64_t{o.ranks} * micro_batches) != 0) continue;
      check_plan(plan, o.workload);
      files.push_back(folder.file("plan" + std::to_string(files.size()) + ".json"));
      write_file(files.back(), write_plan(plan).dump());
    }
  return files;
}

/// What the budget reached, and how quiet the machine was: nothing about either where nothing happened.
std::vector<std::pair<std::string, std::string>> rows_of(const MeasuringRecord& record) {
  const auto share = [](double part) { return format_share(part); };
  std::vector<std::pair<std::string, std::string>> rows = {{"points", with_commas(record.points) + ", measured in " +
                                                                          format_seconds(record.spent_s) + " of " +
                                                                          format_seconds(record.budget_s)}};
  if (!record.left_out.empty())
    rows.push_back({"left out", std::to_string(record.left_out.size()) +
                                    " that the budget did not reach; the first: " + record.left_out.front()});
  if (record.disturbed_repetitions > 0)
    rows.push_back({"disturbed", formatted("%lld of %lld repetitions, not counted; others had the core for ",
                                           static_cast<long long>(record.disturbed_repetitions),
                                           static_cast<long long>(record.repetitions)) +
                                     share(record.lost_share) + " of the time"});
  if (!record.kept_disturbed.empty())
    rows.push_back({"counted all the same",
                    std::to_string(record.kept_disturbed.size()) +
                        (record.kept_disturbed.size() == 1 ? " point disturbed in every repetition, its"
                                                           : " points disturbed in every repetition, their") +
                        " lost time taken off; the first: " + record.kept_disturbed.front()});
  if (record.ranks_share_cores)
    rows.push_back({"disturbed", "not told: more ranks than cores disturb one another; they had no core for " +
                                     share(record.lost_share) + " of the time"});
  if (record.steal_share > 0) rows.push_back({"stolen by other guests", share(record.steal_share)});
  return rows;
}

void measure(const LaunchRequest& request_of_job) {
  Progress progress;
  LaunchRequest request = request_of_job;
  request.on_progress = [&](double done, double total, const std::string& what) { progress.update(done, total, what); };
  request.on_warning = [&](const std::string& what) {
    progress.clear();
    Session::say("warning: " + what);
  };
  launch(request);
}

void run(const ProfileVerbOptions& o, Session& session) {
  const auto started = std::chrono::system_clock::now().time_since_epoch();
  const TemporaryFolder folder;
  const std::vector<std::string> plans = plans_to_measure(o, session, folder);
  const OutputFolder output(o.output);
  LaunchRequest request;
  request.ranks = o.ranks;
  request.launcher = o.launcher;
  request.arguments = {"profile",
                       "--folder",
                       folder.file(""),
                       "--budget",
                       formatted("%.17g", o.budget_s),
                       "--started",
                       std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(started).count()),
                       "--ranks",
                       std::to_string(o.ranks),
                       "--command",
                       "moesaic profile",
                       "--name",
                       std::filesystem::path(o.output).lexically_normal().filename().string(),
                       "--commit",
                       MOESAIC_COMMIT};
  if (o.pin) request.arguments.push_back("--pin");
  for (const std::string& plan : plans) request.arguments.insert(request.arguments.end(), {"--for", plan});
  try {
    measure(request);
  } catch (const NothingFound& answer) {
    session.exit_code = kNothingFound;
    return session.print({{"found", false}, {"reasons", {answer.what()}}}, answer.what() + std::string("\n"));
  }
  const Profile profile = read_profile(read_json(folder.file("profile.json")), "profile.json");
  const Cluster cluster = read_cluster(read_json(folder.file("cluster.json")), "cluster.json");
  write_file(o.output + "/profile.json", write_profile(profile).dump(1) + "\n");
  write_file(o.output + "/cluster.json", write_cluster_in_full(cluster).dump(1) + "\n");
  Json json = {{"operators", profile.operators.size()},
               {"collectives", profile.collectives.size()},
               {"device", profile.device},
               {"machine", profile.machine}};
  if (profile.measuring) json["measuring"] = write_profile(profile)["measuring"];
  std::vector<std::pair<std::string, std::string>> rows = {
      {"operator curves", std::to_string(profile.operators.size())},
      {"collective curves", std::to_string(profile.collectives.size())},
      {"peak per rank, f32", format_count(cluster.device.peak_f32_flops_per_s) + "FLOP/s"},
      {"peak per rank, bf16", format_count(cluster.device.peak_bf16_flops_per_s) + "FLOP/s"},
      {"memory bandwidth per rank", format_bytes(cluster.device.memory_bandwidth_bytes_per_s) + "/s"},
      {"between ranks", format_bytes(cluster.intra_node.bandwidth_bytes_per_s) + "/s"},
      {"each message", format_seconds(cluster.intra_node.message_s)}};
  if (profile.measuring)
    for (auto& row : rows_of(*profile.measuring)) rows.push_back(std::move(row));
  session.print(json, "profile of " + profile.machine + " -> " + o.output + "\n" + aligned(rows));
}

}  // namespace

void add_profile(CLI::App& app, Session& session) {
  auto options = std::make_shared<ProfileVerbOptions>();
  CLI::App* verb = app.add_subcommand("profile", "measure this machine's operators, copies and collectives");
  verb->add_option("-o,--output", options->output, "folder for profile.json and cluster.json")->required();
  verb->add_option("--device", options->device, "cpu or cuda: must be that of the plans of --for; default: theirs");
  verb->add_option("--for", options->plans, "measure the shapes of these plans");
  verb->add_option("--model", options->model, "without --for: the model whose shapes are measured")
      ->default_str("gpt-moe-tiny");
  verb->add_option("--workload", options->workload, "without --for: the workload")->default_str("cpu-demo");
  verb->add_option("--ranks", options->ranks, "ranks that compute at the same time")
      ->check(CLI::Range(1, 1024))
      ->default_str("2");
  add_duration(*verb, "--budget", options->budget_s,
               "time to spend, all in all, for example 30s; what it does not reach is left out")
      ->default_str("60s");
  verb->add_option(
      "--launcher", options->launcher,
      "'local' for threads of one process, 'tcp' for processes without MPI, or a command; default: mpirun");
  verb->add_flag("--pin", options->pin, "keep rank r on core r");
  add_json_option(*verb, session);
  refuse_seed(*verb, "the operands that are measured are always the same");
  verb->footer("Example:\n  moesaic profile -o machine --budget 20");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
