// moesaic import: other people's files become documents.
#include <CLI/CLI.hpp>

#include "cli/import_formats.h"
#include "cli/verbs.h"

namespace moesaic::cli {

void add_import(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("import", "make documents of other people's files");
  verb->require_subcommand(1);
  for (const auto add :
       {add_kernel_tables, add_nccl_tests, add_nccl_topology, add_pytorch_trace, add_sglang_recorder, add_vllm_loads})
    add(*verb, session);
  verb->footer("Example:\n  moesaic import nccl-tests all_reduce.txt -o profile.json");
}

}  // namespace moesaic::cli
