#include "cli/table_experiment.h"

#include <nlohmann/json.hpp>

#include "core/cost/plain_cost_model.h"
#include "planner/problem/preset.h"
#include "simulator/simgrid_evaluator.h"
#include "simulator/simulation.h"

namespace moesaic::cli {
namespace {

planner::Fixed load_preset(const std::string& name, const Session& session) {
  const std::string file = session.preset_path(name);
  return planner::read_preset(read_json(file), file);
}

/// Nothing was measured on the paper's devices: prices are peak rates times an efficiency.
planner::Problem load_row(const experiments::TableRow& row, const std::string& routing, const Session& session) {
  planner::Problem problem;
  problem.model = session.load_model(row.model);
  problem.cluster = session.load_cluster(row.cluster);
  problem.workload = session.load_workload(row.workload);
  problem.routing = session.load_routing(routing);
  problem.profile = plain_profile(problem.cluster);
  return problem;
}

Timeline simulated(const Plan& plan, int64_t routing_step = 0) {
  return simulator::simulate(plan, {.timeline = true, .step = routing_step}).timeline;
}

}  // namespace

Json run_table_experiment(const experiments::TableStudy& study, const std::string& constants_file,
                          const Session& session) {
  experiments::TableInputs inputs;
  for (const experiments::TableRow& row : study.rows) inputs.rows.push_back(load_row(row, study.routing, session));
  inputs.baseline = load_preset(study.baseline, session);
  inputs.system = load_preset(study.system, session);
  simulator::SimgridEvaluator evaluator(2);
  Progress progress;
  Json result = experiments::run_table_study(study, inputs,
                                             {&evaluator, [](const Plan& plan) { return simulated(plan); },
                                              [&](int done, int total) { progress.update(done, total, "rows"); }});
  write_file(constants_file, result["fitted_constants"].dump(1) + "\n");
  result.erase("fitted_constants");
  return result;
}

Json run_presets_here_experiment(const experiments::PresetsHere& study,
                                 const std::function<Json(const Plan&, int64_t steps)>& execute,
                                 const Session& session) {
  planner::Problem problem =
      session.load_problem(study.model, study.machine, study.workload, study.routing, study.machine);
  problem.ranks = study.ranks;
  Progress progress;
  return experiments::run_presets_here(study, problem, load_preset(study.baseline, session),
                                       load_preset(study.system, session),
                                       {[](const Plan& plan, int64_t step) { return simulated(plan, step); }, execute,
                                        [&](int done, int total) { progress.update(done, total, "executions"); }});
}

}  // namespace moesaic::cli
