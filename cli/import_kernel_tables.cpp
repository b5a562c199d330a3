// moesaic import kernel-tables: published measurements of a GPU's kernels become a profile.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/import_formats.h"
#include "cli/output_folder.h"
#include "core/format/kernel_package.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/formatted.h"

namespace moesaic::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTablesFile = "kernel_tables.json";

struct Options {
  std::string folder, gpu, cluster, output;
};

Profile profile_of(const ImportedTables& imported, const Options& o) {
  Profile profile;
  profile.name = imported.tables.name;
  profile.device = imported.tables.device;
  profile.machine = imported.tables.package + ", " + imported.tables.licence;
  profile.command = "moesaic import kernel-tables --gpu " + o.gpu;
  profile.collectives = imported.collectives;
  return profile;
}

/// "h200-141g-sxm" of "profiles/devices/h200-141g-sxm/".
std::string name_of_folder(const std::string& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename();
}

void run(const Options& o, Session& session) {
  const Cluster cluster = session.load_cluster(o.cluster.empty() ? name_of_folder(o.output) + "-1x8" : o.cluster);
  const OutputFolder folder(o.output);
  ImportedTables imported = read_kernel_package((fs::path(o.folder) / o.gpu).string(), cluster.device);
  imported.tables.name = name_of_folder(o.output);
  const std::string tables = (fs::path(o.output) / kTablesFile).string();
  const std::string profile_file = (fs::path(o.output) / "profile.json").string();
  write_file(tables, write_kernel_tables(imported.tables));
  Profile profile = profile_of(imported, o);
  profile.tables = {kTablesFile, hash_of_file(tables)};
  write_file(profile_file, write_profile(profile).dump(1) + "\n");
  const Json answer = {{"profile", profile_file},
                       {"kernels", imported.tables.kernels.size()},
                       {"experts", imported.tables.experts.size()},
                       {"collectives", imported.collectives.size()},
                       {"left_out", imported.left_out}};
  std::string text = profile_file + ": " +
                     formatted("%zu kernels, %zu shapes of experts, %zu collectives\n", imported.tables.kernels.size(),
                               imported.tables.experts.size(), imported.collectives.size());
  for (const std::string& what : imported.left_out) text += "left out: " + what + "\n";
  session.print(answer, text);
}

}  // namespace

void add_kernel_tables(CLI::App& import, Session& session) {
  auto options = std::make_shared<Options>();
  CLI::App* format =
      import.add_subcommand("kernel-tables", "kernel measurements of GPUs (aiconfigurator-core, as CSV)");
  format->add_option("folder", options->folder, "what scripts/kernel_tables_to_csv.py wrote")->required();
  format->add_option("--gpu", options->gpu, "folder of the GPU in it, such as h200_sxm")->required();
  format->add_option("--cluster", options->cluster, "whose device it is; default: that of the output's name, 1x8");
  format->add_option("-o,--output", options->output, "folder to write, such as profiles/devices/h200-141g-sxm")
      ->required();
  add_json_option(*format, session);
  refuse_seed(*format, "the draws of rows have seeds of their own");
  format->footer("Example:\n  moesaic import kernel-tables tables --gpu h200_sxm -o profiles/devices/h200-141g-sxm");
  format->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
