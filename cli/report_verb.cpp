// moesaic report: the picture of an experiment's result, as a page or as SVG.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/report/picture.h"
#include "cli/verbs.h"
#include "core/schema/error.h"

namespace moesaic::cli {
namespace {

struct ReportOptions {
  std::string result, output;
};

void run(const ReportOptions& o, Session& session) {
  check_outputs({o.output}, {o.result});
  const std::string extension = std::filesystem::path(o.output).extension();
  if (extension != ".html" && extension != ".svg")
    throw InputError(o.output, "", "is neither a page nor a picture by its name", "a name that ends in .html or .svg");
  const Picture picture = draw_picture(read_json(o.result), o.result);
  write_file(o.output, extension == ".svg" ? picture.svg : html_picture(picture));
  session.print({{"title", picture.title}, {"output", o.output}}, picture.title + " " + o.output + "\n");
}

}  // namespace

void add_report(CLI::App& app, Session& session) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* verb = app.add_subcommand("report", "draw the result of an experiment");
  verb->add_option("result", options->result, "result document of an experiment")->required();
  verb->add_option("-o,--output", options->output, "page (.html) or picture (.svg) to write")->required();
  add_json_option(*verb, session);
  refuse_seed(*verb, "a picture makes no random choice");
  verb->footer("Example:\n  moesaic report experiments/03_which_experts_stay_in_host_memory/result.json -o cache.html");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
