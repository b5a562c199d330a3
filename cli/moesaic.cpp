// The program `moesaic`: parses, calls a verb, turns errors into exit codes. Planner and simulator live here, the
// executor is its own program.
#include <iostream>

#include "cli/arguments.h"
#include "cli/verbs.h"
#include "core/schema/error.h"
#include "core/schema/kernel_tables.h"

namespace {

using namespace moesaic::cli;

std::string version() {
  return "moesaic " MOESAIC_VERSION " (commit " MOESAIC_COMMIT ")\nSimGrid " MOESAIC_SIMGRID_VERSION
         ", MPI " MOESAIC_MPI_VERSION ", CUDA " MOESAIC_CUDA_VERSION;
}

int fail(const std::exception& error, int code) {
  std::cerr << "moesaic: " << error.what() << "\n";
  return code;
}

int run(int argc, char** argv) {
  Session session;
  moesaic::set_table_roots(session.document_roots());
  CLI::App app{"Plans, simulates and executes Mixture-of-Experts training and inference", "moesaic"};
  app.require_subcommand(1);
  app.set_version_flag("--version", version());
  add_profile(app, session);
  add_plan(app, session);
  add_simulate(app, session);
  add_execute(app, session);
  add_compare(app, session);
  add_explain(app, session);
  add_validate(app, session);
  add_experiment(app, session);
  add_report(app, session);
  add_import(app, session);
  app.footer(
      "Exit codes: 0 ok, 1 internal, 2 bad input, 3 device, 4 infeasible, 5 nothing found within the effort or\n"
      "budget, 130 interrupted");
  check_arguments(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return end_of_parsing(app, error);
  }
  return session.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    install_interrupt_handler();
    return run(argc, argv);
  } catch (const moesaic::InputError& error) {
    return fail(error, kBadInput);
  } catch (const moesaic::DeviceError& error) {
    return fail(error, interrupted() ? kInterrupted : kDevice);
  } catch (const std::exception& error) {
    return fail(error, interrupted() ? kInterrupted : kInternal);
  }
}
