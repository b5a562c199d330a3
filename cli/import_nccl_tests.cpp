// moesaic import nccl-tests: measured times of collectives become curves of a profile.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/import_formats.h"
#include "core/format/nccl_tests.h"
#include "core/schema/error.h"
#include "core/schema/formatted.h"
#include "core/schema/hardware.h"

namespace moesaic::cli {
namespace {

struct NcclTestsOptions {
  std::vector<std::string> files;
  std::string output, device, provenance = "measured";
};

std::vector<NcclTestsTable> read_file(const std::string& file) {
  const std::string text = read_text(file, "the output of a program of nccl-tests");
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{') return {read_nccl_tests_json(parse_json(text, file), file)};
  return read_nccl_tests_text(text, file);
}

/// The name that clusters give the device which the driver names otherwise.
std::string device_name(const std::string& of_driver, const Session& session) {
  const std::vector<std::string> roots = session.document_roots();
  for (const std::string& name : hardware_names(roots)) {
    const Hardware hardware = load_hardware(name, roots);
    const auto& names = hardware.driver_names;
    if (std::find(names.begin(), names.end(), of_driver) != names.end()) return hardware.node.device.name;
  }
  Session::say("no description of '" + of_driver +
               "': the profile fits clusters whose device has that name; --device sets it");
  return of_driver;
}

std::string text_of(const Profile& profile, const std::string& output) {
  std::string text;
  for (const CollectiveCurve& curve : profile.collectives)
    text += formatted("%s of %d ranks, %s: %zu sizes, %s to %s from the busiest rank\n", curve.collective.c_str(),
                      curve.num_ranks, curve.crosses_nodes ? "between nodes" : "in one node", curve.bytes.size(),
                      format_bytes(static_cast<double>(curve.bytes.front())).c_str(),
                      format_bytes(static_cast<double>(curve.bytes.back())).c_str());
  return text + "profile of " + profile.device + ": " + output + "\n";
}

void run(const NcclTestsOptions& o, Session& session) {
  check_outputs({o.output}, o.files);
  std::vector<NcclTestsTable> tables;
  for (const std::string& file : o.files)
    for (NcclTestsTable& table : read_file(file)) tables.push_back(std::move(table));
  Profile profile = profile_of(tables, o.provenance == "published" ? Provenance::published : Provenance::measured);
  profile.device = o.device.empty() ? device_name(profile.device, session) : o.device;
  const Json document = write_profile(profile);
  write_file(o.output, document.dump(1) + "\n");
  session.print({{"output", o.output}, {"device", profile.device}, {"collectives", document["collectives"]}},
                text_of(profile, o.output));
}

}  // namespace

void add_nccl_tests(CLI::App& import, Session& session) {
  auto options = std::make_shared<NcclTestsOptions>();
  CLI::App* verb =
      import.add_subcommand("nccl-tests", "times of collectives, from text or JSON (-J) of nccl-tests, as a profile");
  verb->add_option("files", options->files,
                   "outputs of all_reduce_perf, all_gather_perf, reduce_scatter_perf, "
                   "alltoall_perf, sendrecv_perf")
      ->required();
  verb->add_option("-o,--output", options->output, "profile to write")->required();
  verb->add_option("--provenance", options->provenance, "where the figures come from: measured or published")
      ->check(CLI::IsMember({"measured", "published"}))
      ->default_str("measured");
  verb->add_option("--device", options->device,
                   "the device's name in cluster documents; else by the driver's name for it");
  add_json_option(*verb, session);
  refuse_seed(*verb, "reading makes no random choice");
  verb->footer("Example:\n  moesaic import nccl-tests all_reduce.txt alltoall.json -o profile.json");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
