// moesaic import pytorch-trace, vllm-loads, sglang-recorder: rows that other systems recorded become a routing
// document.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/import_formats.h"
#include "core/format/pytorch_trace.h"
#include "core/format/sglang_recorder.h"
#include "core/format/vllm_loads.h"
#include "core/schema/model_limits.h"

namespace moesaic::cli {
namespace {

struct RoutingOptions {
  std::vector<std::string> files;
  std::string output;
  TraceReading reading;
};

std::string counted(int64_t number, const std::string& what) {
  return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
}

void write(ImportedRouting imported, const RoutingOptions& o, Session& session) {
  RoutingDocument& routing = imported.routing;
  routing.name = std::filesystem::path(o.output).stem().string();
  write_file(o.output, write_routing(routing).dump() + "\n");
  for (const std::string& sentence : imported.left_out) Session::say(sentence);
  session.print({{"output", o.output},
                 {"iterations", routing.num_iterations},
                 {"moe_layers", routing.num_moe_layers},
                 {"sources", routing.num_sources},
                 {"experts", routing.num_experts},
                 {"left_out", imported.left_out}},
                "routing of " + counted(routing.num_iterations, "iteration") + ", " +
                    counted(routing.num_moe_layers, "MoE layer") + ", " + counted(routing.num_sources, "source") +
                    ", " + counted(routing.num_experts, "expert") + ": " + o.output + "\n");
}

void run_traces(const RoutingOptions& o, Session& session) {
  check_outputs({o.output}, o.files);
  std::vector<Json> documents;
  for (const std::string& file : o.files) documents.push_back(read_json(file));
  std::vector<TraceOfRank> traces;
  for (size_t i = 0; i < o.files.size(); ++i) traces.push_back({documents[i], o.files[i]});
  write(read_pytorch_traces(traces, o.reading), o, session);
}

CLI::App* add_format(CLI::App& import, const char* name, const char* description, RoutingOptions& options,
                     const char* example) {
  CLI::App* verb = import.add_subcommand(name, description);
  verb->add_option("-o,--output", options.output, "routing document to write")->required();
  refuse_seed(*verb, "reading makes no random choice");
  verb->footer(std::string("Example:\n  moesaic import ") + name + " " + example);
  return verb;
}

}  // namespace

void add_pytorch_trace(CLI::App& import, Session& session) {
  auto options = std::make_shared<RoutingOptions>();
  CLI::App* verb = add_format(import, "pytorch-trace", "rows between ranks, from the traces of all ranks, as a routing",
                              *options, "rank*.json --moe-layers 16 --experts 64 --training -o routing.json");
  verb->add_option("files", options->files, "Kineto's Chrome traces, one per rank")->required();
  verb->add_option("--moe-layers", options->reading.moe_layers, "MoE layers of the model")
      ->required()
      ->check(CLI::Range(kLayers.least, kLayers.most));
  verb->add_option("--experts", options->reading.experts, "experts of a layer")
      ->required()
      ->check(CLI::Range(kExperts.least, kExperts.most));
  verb->add_flag("--training", options->reading.training, "a backward pass follows every forward pass");
  verb->add_option("--group", options->reading.group, "process group of the experts, where several exchange");
  add_json_option(*verb, session);
  verb->callback([options, &session] { run_traces(*options, session); });
}

void add_vllm_loads(CLI::App& import, Session& session) {
  auto options = std::make_shared<RoutingOptions>();
  options->files.resize(1);
  CLI::App* verb = add_format(import, "vllm-loads", "vLLM's expert load statistics, as a routing (experimental form)",
                              *options, "loads.jsonl -o routing.json");
  verb->add_option("file", options->files[0], "lines of \"eplb_load_stats\"")->required();
  add_json_option(*verb, session);
  verb->callback([options, &session] {
    check_outputs({options->output}, options->files);
    const std::string& file = options->files[0];
    write(read_vllm_loads(read_text(file, "lines of load statistics"), file), *options, session);
  });
}

void add_sglang_recorder(CLI::App& import, Session& session) {
  auto options = std::make_shared<RoutingOptions>();
  options->files.resize(1);
  CLI::App* verb = add_format(import, "sglang-recorder", "SGLang's expert distribution recorder, as a routing",
                              *options, "recorder.json -o routing.json");
  verb->add_option("file", options->files[0], "its dump in mode \"stat\", converted to JSON")->required();
  add_json_option(*verb, session);
  verb->callback([options, &session] {
    check_outputs({options->output}, options->files);
    write(read_sglang_recorder(read_json(options->files[0]), options->files[0]), *options, session);
  });
}

}  // namespace moesaic::cli
