// moesaic report: the picture of an experiment's result, as a page or as SVG; how a run learnt and its median step, as
// a page.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/report/html_report.h"
#include "cli/report/picture.h"
#include "cli/results.h"
#include "cli/verbs.h"
#include "core/schema/error.h"

namespace moesaic::cli {
namespace {

struct ReportOptions {
  std::string result, output;
};

/// What `moesaic execute -o` has written.
bool is_of_a_run(const Json& result) {
  return result.is_object() && result.value("kind", Json()) == "moesaic.result/1" && result.contains("timeline");
}

/// The plan's own rows and its placement stand in its plan alone: `--report` of `moesaic execute` shows them too.
void report_run(const ReportOptions& o, const Json& result, Session& session) {
  const Timeline timeline = read_timeline(result["timeline"], o.result);
  ReportInput input;
  input.title = "How the run learnt";
  input.measured = &timeline;
  input.training = read_training_curves(result, o.result);
  input.steps = read_measured_steps(result, o.result);
  if (const std::string on = processors_of(result, o.result); !on.empty())
    input.summary.emplace_back("measured on", on);
  write_file(o.output, html_report(input));
  session.print({{"title", input.title}, {"output", o.output}}, input.title + " " + o.output + "\n");
}

void run(const ReportOptions& o, Session& session) {
  check_outputs({o.output}, {o.result});
  const std::string extension = std::filesystem::path(o.output).extension();
  if (extension != ".html" && extension != ".svg")
    throw InputError(o.output, "", "is neither a page nor a picture by its name", "a name that ends in .html or .svg");
  const Json result = read_json(o.result);
  if (extension == ".html" && is_of_a_run(result)) return report_run(o, result, session);
  const Picture picture = draw_picture(result, o.result);
  write_file(o.output, extension == ".svg" ? picture.svg : html_picture(picture));
  session.print({{"title", picture.title}, {"output", o.output}}, picture.title + " " + o.output + "\n");
}

}  // namespace

void add_report(CLI::App& app, Session& session) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* verb = app.add_subcommand("report", "draw the result of an experiment, or how a run learnt");
  verb->add_option("result", options->result, "result document of an experiment or of `moesaic execute`")->required();
  verb->add_option("-o,--output", options->output, "page (.html) or picture (.svg) to write")->required();
  add_json_option(*verb, session);
  refuse_seed(*verb, "a picture makes no random choice");
  verb->footer("Example:\n  moesaic report experiments/03_which_experts_stay_in_host_memory/result.json -o cache.html");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
