// moesaic execute: trains a plan's model for real, through the executor's program.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/arguments.h"
#include "cli/launcher.h"
#include "cli/options/numbers.h"
#include "cli/options/record_routing.h"
#include "cli/options/training_data.h"
#include "cli/report_input.h"
#include "cli/results.h"
#include "cli/trace_file.h"
#include "cli/verbs.h"
#include "core/schema/error.h"
#include "core/schema/formatted.h"
#include "core/technique/lower.h"
#include "core/timeline/critical_path.h"
#include "core/timeline/disturbance.h"

namespace moesaic::cli {
namespace {

struct ExecuteOptions {
  std::string plan, hosts, launcher, device, report, output, checkpoint;
  TraceOptions trace;
  TrainingData data;
  int ranks = 0;
  std::string communicator;
  RoutingForm record = RoutingForm::counts_by_source;
  bool pin = false, resume = false, cuda_graph = false;
  int64_t steps = 10, checkpoint_every = 10;
  double stall_warning_s = 10, stall_timeout_s = 120;
};

void check_ranks(const ExecuteOptions& o, const Plan& plan) {
  if (o.ranks != 0 && o.ranks != plan.layout.ranks)
    throw InputError(o.plan, "/layout/ranks",
                     "is " + std::to_string(plan.layout.ranks) + ", --ranks is " + std::to_string(o.ranks),
                     "the same number",
                     "leave --ranks out, or make a plan with `moesaic plan --ranks " + std::to_string(o.ranks) + "`");
}

/// null: of a step that was skipped.
std::string loss_at(const Json& loss, size_t step) {
  return (loss.is_null() ? "not finite" : formatted("%.4f", loss.get<double>())) + " at step " + std::to_string(step);
}

/// `stream`: where the losses of all steps are; "": here alone.
std::string text_of(const Plan& plan, const Json& result, const std::string& stream) {
  const auto& loss = result["loss"];
  const size_t before = result["first_step"].get<size_t>(), steps = result["steps"].get<size_t>(),
               skipped =
                   steps > loss.size() ? result["sample"]["num_skipped"].get<size_t>() : result["skipped_steps"].size();
  const std::string losses = loss_at(loss.front(), before + 1) + ", " + loss_at(loss.back(), before + steps) +
                             (skipped > 0 ? "; " + std::to_string(skipped) + " skipped" : "");
  std::vector<std::pair<std::string, std::string>> rows = {
      {"step", format_seconds(result["step_seconds"]) + ", median of " + std::to_string(loss.size()) +
                   (steps > loss.size() ? " of " + with_commas(static_cast<int64_t>(steps)) : "")},
      {"bound by", what_bounds(result["critical_path_seconds"])},
      {"tokens per second", tokens_text(plan, result["tokens_per_second"])},
      {"exposed communication", format_seconds(result["exposed_communication_seconds"])}};
  if (const Seconds transfer = result["exposed_transfer_seconds"]; transfer > 0)
    rows.emplace_back("exposed transfer", format_seconds(transfer));
  if (const Seconds bubble = result["bubble_seconds"]; bubble > 0)
    rows.emplace_back("pipeline bubble", format_seconds(bubble));
  if (const std::string processors = processors_of(result, "result"); !processors.empty())
    rows.insert(rows.begin(), {"processor", processors});
  if (before > 0) rows.insert(rows.begin(), {"resumed", "after step " + std::to_string(before)});
  for (const auto& [tier, bytes] : result["peak_bytes"].items())
    rows.emplace_back("peak memory, " + tier, format_bytes(bytes));
  rows.emplace_back("loss", losses);
  if (!stream.empty()) rows.emplace_back("losses of all steps", stream);
  if (const Json validation = result.value("validation", Json::array()); !validation.empty())
    rows.emplace_back("validation loss", loss_at(validation.front()["loss"], validation.front()["step"]) + ", " +
                                             loss_at(validation.back()["loss"], validation.back()["step"]));
  if (result.contains("bigram_entropy"))
    rows.emplace_back("a bigram model of this text", formatted("%.4f", result["bigram_entropy"].get<double>()));
  const std::optional<MeasuredSteps> measured = read_measured_steps(result, "result");
  const std::string disturbed = measured ? sentence_of(measured->disturbance) : "";
  return "executed " + plan.name + " on " + std::to_string(plan.layout.ranks) +
         (plan.cluster.device.lanes_share_core ? " CPU rank" : " GPU rank") + (plan.layout.ranks > 1 ? "s" : "") +
         "\n" + (disturbed.empty() ? "" : disturbed + "\n") + aligned(rows);
}

/// Beside the result document, where that is a file: "out/result.json" -> "out/result.steps.jsonl".
std::string stream_of(const std::string& output) {
  namespace fs = std::filesystem;
  if (output.empty() || output == "-" || (fs::exists(output) && !fs::is_regular_file(output))) return "";
  return fs::absolute(output).replace_extension(".steps.jsonl").string();
}

LaunchRequest request_of(const ExecuteOptions& o, const Plan& plan, const std::string& result) {
  LaunchRequest request;
  request.ranks = plan.layout.ranks;
  request.launcher = o.launcher;
  request.hosts = o.hosts;
  std::vector<std::string>& arguments = request.arguments;
  arguments = {"execute", "--plan", o.plan, "--steps", std::to_string(o.steps), "--result", result};
  arguments.insert(arguments.end(), {"--stall-warning", formatted("%.17g", o.stall_warning_s), "--stall-timeout",
                                     formatted("%.17g", o.stall_timeout_s)});
  if (o.cuda_graph) arguments.push_back("--cuda-graph");
  if (o.pin) arguments.push_back("--pin");
  if (o.record != RoutingForm::counts_by_source)
    arguments.insert(arguments.end(), {"--record-routing", name_of(o.record)});
  if (!o.communicator.empty()) arguments.insert(arguments.end(), {"--communicator", o.communicator});
  for (std::string& argument : arguments_of(o.data)) arguments.push_back(std::move(argument));
  if (!o.checkpoint.empty())
    arguments.insert(arguments.end(),
                     {"--checkpoint", o.checkpoint, "--checkpoint-every", std::to_string(o.checkpoint_every)});
  if (o.resume) arguments.push_back("--resume");
  if (const std::string stream = stream_of(o.output); !stream.empty())
    arguments.insert(arguments.end(), {"--stream", stream});
  return request;
}

void tell_rejected(const Json& result, const Session& session) {
  for (const Json& file : result["rejected_checkpoint_files"])
    session.say("passed over a damaged checkpoint: " + file["file"].get<std::string>() + " " +
                file["problem"].get<std::string>());
}

void run(const ExecuteOptions& o, Session& session) {
  std::vector<std::string> inputs = {o.plan, o.hosts};
  for (const std::vector<std::string>* files : {&o.data.files, &o.data.validation_files})
    inputs.insert(inputs.end(), files->begin(), files->end());
  check_outputs({o.output, o.trace.file, o.report}, inputs);
  const Plan plan = session.load_plan(o.plan);
  check_ranks(o, plan);
  traced_ranks(o.trace, plan);
  if (!o.device.empty()) check_device(o.device, o.plan, plan.cluster);
  if (!o.hosts.empty() && !std::ifstream(o.hosts).good())
    throw InputError(o.hosts, "", "cannot be read", "a host file for mpirun: one host name a line");
  const TemporaryFolder folder;
  LaunchRequest request = request_of(o, plan, folder.file("result.json"));
  {
    Progress progress;
    request.on_progress = [&](double done, double total, const std::string& what) {
      progress.update(done, total, what);
    };
    request.on_warning = [&](const std::string& what) {
      progress.clear();
      Session::say("warning: " + what);
    };
    launch(request);
  }
  Json result = read_json(folder.file("result.json"));
  tell_rejected(result, session);
  if (result["steps"] == 0)
    return session.print(result, "nothing to train: " + o.checkpoint + " holds step " + result["first_step"].dump() +
                                     " already; no result, trace or report is written\n");
  const Timeline timeline = read_timeline(result["timeline"], "result");
  result["memory"] = write_memory(timeline, tier_memories(lower(plan), plan.cluster, rank_of_peak(timeline)));
  Plan rerouted = plan;  // with the loads of the run, as its timeline is of the run
  rerouted.routing = read_routing(result["routing"], "result", "/routing");
  if (!o.output.empty()) write_file(o.output, result.dump() + "\n");
  write_trace(o.trace, timeline, rerouted, result["timeline_step"]);
  if (!o.report.empty()) {
    ReportInput input = report_input(rerouted, nullptr, &timeline, nullptr, result["peak_bytes"]);
    input.steps = read_measured_steps(result, "result");
    input.training = read_training_curves(result, "result");
    if (const std::string on = processors_of(result, "result"); !on.empty())
      input.summary.emplace_back("measured on", on);
    write_file(o.report, html_report(input));
  }
  const bool streamed = result.contains("sample") && result["sample"].contains("stream");
  const std::string text = text_of(plan, result, streamed ? stream_of(o.output) : "");
  for (const char* bulky : {"timeline", "routing", "all_step_seconds", "memory"}) result.erase(bulky);
  if (result.contains("sample")) result["sample"].erase("task_statistics");
  session.print(result, text);
}

}  // namespace

void add_execute(CLI::App& app, Session& session) {
  auto options = std::make_shared<ExecuteOptions>();
  CLI::App* verb = app.add_subcommand("execute", "train a plan's model for real");
  verb->add_option("plan", options->plan, "plan document")->required();
  verb->add_option("--ranks", options->ranks, "must be the plan's number of ranks; 0, the default: that number")
      ->check(CLI::Range(0, 1 << 20));
  verb->add_option("--hosts", options->hosts, "host file for mpirun; default: this machine");
  verb->add_option(
      "--launcher", options->launcher,
      "'local' for threads of one process, 'tcp' for processes without MPI, or a command such as 'srun -n 2', "
      "without MPI 'tcp srun -n 2'; default: mpirun");
  verb->add_option("--steps", options->steps, "training steps")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000000}))
      ->default_str("10");
  add_training_data(*verb, options->data);
  verb->add_option("--device", options->device, "cpu or cuda: must be the plan's; default: that one");
  CLI::Option* checkpoint = verb->add_option(
      "--checkpoint", options->checkpoint, "folder for checkpoints; a new or empty one, or that of the run to resume");
  verb->add_option("--checkpoint-every", options->checkpoint_every,
                   "steps between checkpoints; one more after the last")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000000}))
      ->default_str("10")
      ->needs(checkpoint);
  verb->add_flag("--resume", options->resume,
                 "go on from the newest checkpoint that is whole, also with another plan; --steps counts from the "
                 "beginning of the run")
      ->needs(checkpoint);
  add_trace_options(*verb, options->trace, "write a Chrome trace of the median step");
  verb->add_option("--report", options->report, "write an HTML report");
  verb->add_option("-o,--output", options->output, "write the result document, for `moesaic compare`");
  verb->add_option("--communicator", options->communicator,
                   "how GPUs exchange data; default: through host memory, by the launcher's way")
      ->check(CLI::IsMember({"nccl"}));
  verb->add_flag("--pin", options->pin, "keep rank r on core r");
  verb->add_flag("--cuda-graph", options->cuda_graph,
                 "replay forward and backward as one CUDA graph: one GPU, padded dispatch or no MoE layer; hides the "
                 "times of their tasks");
  add_record_routing(*verb, options->record);
  add_duration(*verb, "--stall-warning", options->stall_warning_s,
               "time without an answer after which a rank is named; 0: never", Zero::allowed)
      ->default_str("10s");
  add_duration(*verb, "--stall-timeout", options->stall_timeout_s,
               "time without an answer after which the job is ended; 0: never", Zero::allowed)
      ->default_str("120s");
  add_json_option(*verb, session);
  refuse_seed(*verb,
              "weights and batches are drawn with the seed of the plan's workload; make the plan for a workload with "
              "another one");
  verb->footer("Example:\n  moesaic execute plan.json --steps 20 --trace trace.json -o result.json");
  verb->callback([options, verb, &session] {
    check_training_data(*verb, options->data);
    run(*options, session);
  });
}

}  // namespace moesaic::cli
