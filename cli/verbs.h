#pragma once
// The verbs of the program, one file each. Each adds its subcommand with options, help and example to the application.

#include "cli/session.h"

namespace moesaic::cli {

void add_profile(CLI::App& app, Session& session);
void add_plan(CLI::App& app, Session& session);
void add_simulate(CLI::App& app, Session& session);
void add_execute(CLI::App& app, Session& session);
void add_compare(CLI::App& app, Session& session);
void add_explain(CLI::App& app, Session& session);
void add_validate(CLI::App& app, Session& session);
void add_experiment(CLI::App& app, Session& session);
void add_report(CLI::App& app, Session& session);
void add_import(CLI::App& app, Session& session);

}  // namespace moesaic::cli
