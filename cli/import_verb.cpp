// moesaic import: other people's files become documents.
#include <CLI/CLI.hpp>

#include "cli/import_formats.h"
#include "cli/verbs.h"

namespace moesaic::cli {

void add_import(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("import", "make documents of other people's files");
  verb->require_subcommand(1);
  add_kernel_tables(*verb, session);
}

}  // namespace moesaic::cli
