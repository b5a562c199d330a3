#include "simulator/step_tables.h"

#include <algorithm>

#include "core/graph/stages.h"
#include "simulator/rank_evidence.h"

namespace moesaic::simulator {
namespace {

std::vector<StepProgram> programs_of(const TaskGraph& graph) {
  std::vector<StepProgram> programs;
  for (int stage = 0; stage < graph.num_stages; ++stage) programs.emplace_back(graph, stage);
  return programs;
}

}  // namespace

/// On polled cores pieces of work that could start at one time start in the order of ranks, so ranks differ.
StepTables::StepTables(const TaskGraph& step_graph, const Plan& plan, int64_t step, bool every_rank)
    : graph(step_graph),
      platform(plan.cluster, graph.num_ranks),
      rows(graph, plan, step),
      prices(graph, plan, platform, rows),
      transfers(graph, plan, platform, step, plan.cluster.device.lanes_share_core),
      collectives(graph, platform, prices, rows),
      programs(programs_of(graph)),
      evidence(evidence_of(graph, platform, programs, rows, collectives, transfers)),
      classes(every_rank || plan.cluster.device.lanes_share_core ? RankClasses(graph, platform)
                                                                 : RankClasses(graph, platform, evidence)) {}

int64_t tasks_of_ranks(const TaskGraph& graph) {
  int64_t of_stages = 0;
  for (int stage = 0; stage < graph.num_stages; ++stage)
    of_stages +=
        std::count_if(graph.tasks.begin(), graph.tasks.end(), [&](const Task& task) { return runs_on(task, stage); });
  return of_stages * (graph.num_ranks / graph.num_stages);
}

int64_t StepTables::tasks_of_classes() const {
  int64_t tasks = 0;
  for (int of_class = 0; of_class < classes.num_classes(); ++of_class)
    tasks += programs[static_cast<size_t>(graph.stage_of(classes.representative(of_class)))].num_tasks();
  return tasks;
}

}  // namespace moesaic::simulator
