#include "core/plan/elastic.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"

namespace moesaic {
namespace {

/// Where share p of `parts` equal shares of n begins: floor(p n / parts).
int64_t start_of(int64_t n, int64_t p, int64_t parts) { return p * n / parts; }

Team read_team(ObjectReader reader) {
  Team team;
  team.ranks = static_cast<int>(reader["ranks"].integer({1, 1 << 20}));
  team.tasks = reader["tasks"].integers<int>({0, 1 << 16});
  reader.finish();
  return team;
}

Elastic read_elastic(const Field& field) {
  Elastic elastic;
  ObjectReader reader = field.object();
  if (const Field shares = reader["sequences_per_rank"]; shares.present())
    elastic.sequences_per_rank = shares.integers(kCount);
  if (const Field teams = reader["teams"]; teams.present()) elastic.teams = teams.objects(read_team);
  reader.finish();
  return elastic;
}

Json write_elastic(const Elastic& elastic) {
  Json json = Json::object();
  if (!elastic.sequences_per_rank.empty()) json["sequences_per_rank"] = elastic.sequences_per_rank;
  for (const Team& team : elastic.teams) json["teams"].push_back({{"tasks", team.tasks}, {"ranks", team.ranks}});
  return json;
}

void check_shares(const Plan& plan, const PlanChecker& check) {
  const std::vector<int64_t>& shares = plan.elastic.sequences_per_rank;
  const std::string pointer = "/elastic/sequences_per_rank";
  if (!plan.elastic.teams.empty())
    check.refuse(pointer, "is given beside teams", "the teams split the batch: leave it out");
  if (static_cast<int>(shares.size()) != plan.layout.ranks)
    check.refuse(pointer,
                 "has " + std::to_string(static_cast<int64_t>(shares.size())) + " entries for " +
                     std::to_string(plan.layout.ranks) + " ranks",
                 "give the sequences of every rank");
  for (const int64_t share : shares)
    if (share < 1) check.refuse(pointer, "leaves a rank without sequences", "give every rank at least 1");
  const int64_t sum = std::accumulate(shares.begin(), shares.end(), int64_t{0}) * plan.layout.micro_batches;
  if (sum != plan.workload.global_batch)
    check.refuse(pointer,
                 "sums to " + std::to_string(sum) + " sequences over " + std::to_string(plan.layout.micro_batches) +
                     " microbatches; the global batch is " + std::to_string(plan.workload.global_batch),
                 "make the shares of one microbatch sum to global_batch / micro_batches");
}

void check_tasks_are_served(const Plan& plan, const PlanChecker& check) {
  const auto num_tasks = static_cast<int64_t>(plan.workload.tasks.size());
  std::vector<int> served(static_cast<size_t>(num_tasks), 0);
  int ranks = 0;
  for (const Team& team : plan.elastic.teams) {
    if (team.tasks.empty() || team.ranks < 1)
      check.refuse("/elastic/teams", "has a team without tasks or ranks", "give each team both");
    ranks += team.ranks;
    for (const int task : team.tasks) {
      if (task < 0 || task >= num_tasks)
        check.refuse("/elastic/teams", "names task " + std::to_string(task),
                     "tasks are 0 to " + std::to_string(num_tasks - 1));
      ++served[static_cast<size_t>(task)];
      const int64_t batch = plan.workload.tasks[static_cast<size_t>(task)].batch;
      if (batch % plan.layout.micro_batches != 0)
        check.refuse("/layout/micro_batches",
                     "do not divide the batch of " + std::to_string(batch) + " of task '" +
                         plan.workload.tasks[static_cast<size_t>(task)].name + "'",
                     "choose a divisor of every task's batch");
    }
  }
  if (ranks != plan.layout.ranks)
    check.refuse("/elastic/teams",
                 "have " + std::to_string(ranks) + " ranks; the layout has " + std::to_string(plan.layout.ranks),
                 "give every rank to one team");
  if (std::any_of(served.begin(), served.end(), [](int teams) { return teams != 1; }))
    check.refuse("/elastic/teams", "serve a task never or twice", "give every task to one team");
  for (const int64_t sequences : local_sequences(plan))
    if (sequences < 1)
      check.refuse("/elastic/teams", "leave a rank without sequences", "give small tasks fewer ranks, or merge them");
}

/// Tasks and a model that routes by task belong together; what moves tokens between ranks has nothing to do there.
void check_tasks(const Plan& plan, const PlanChecker& check) {
  if (!plan.model.routed_by_task) {
    if (!plan.workload.tasks.empty())
      check.refuse("/documents/workload/tasks", "are given to a model with a router",
                   "take a model with \"routing\": \"task\", or a workload without tasks");
    return;
  }
  if (static_cast<int64_t>(plan.workload.tasks.size()) != plan.model.num_experts)
    check.refuse("/documents/workload/tasks",
                 "are " + std::to_string(static_cast<int64_t>(plan.workload.tasks.size())) +
                     "; the model has an expert for each of " + std::to_string(plan.model.num_experts),
                 "give one task per expert");
  if (plan.elastic.teams.empty())
    check.refuse("/elastic/teams", "is missing for a workload with tasks", "say which ranks serve which tasks");
  if (plan.layout.ep != plan.layout.ranks)
    check.refuse("/layout/ep", "is " + std::to_string(plan.layout.ep) + " where teams place the experts",
                 "set ep to ranks");
  if (!(plan.dispatch == Dispatch{}) || !plan.placement.empty())
    check.refuse("/dispatch", "has choices of a router, and the model routes by task",
                 "leave dispatch and placement out");
  if (plan.layout.zero > 0)
    check.refuse("/layout/zero", "divides the states of experts evenly, and teams differ in size", "set zero to 0");
  if (plan.expert_storage.home != Tier::device)
    check.refuse("/expert_storage/home", "moves the states of experts that a router asks for, and there is none",
                 "keep them on the device");
  check_tasks_are_served(plan, check);
}

}  // namespace

template <>
const FieldTable<ElasticShares>& fields_of<ElasticShares>() {
  static const FieldTable<ElasticShares> fields = {[] {
    auto field = structured("elastic", &ElasticShares::elastic, read_elastic, write_elastic);
    return described_as(std::move(field), "object: `sequences_per_rank`, or `teams` of `tasks` and `ranks`",
                        "how many sequences each rank trains, or which ranks train which tasks; `{}`: all as many")
        .not_in_presets()
        .in_training()
        .in_words("uneven shares of the batch");
  }()};
  return fields;
}

TeamPosition team_of(const Elastic& elastic, int rank) {
  TeamPosition found{0, rank};
  while (found.position >= elastic.teams[static_cast<size_t>(found.team)].ranks)
    found.position -= elastic.teams[static_cast<size_t>(found.team++)].ranks;
  return found;
}

std::vector<SequenceRange> local_batch(const Plan& plan, int rank, int microbatch) {
  const int64_t micro_batches = plan.layout.micro_batches;
  if (plan.elastic.teams.empty()) {
    const std::vector<int64_t> sequences = local_sequences(plan);
    // The stages of a pipeline see the same sequences, and so do ranks whose tokens are replicated.
    const int place = rank % plan.layout.stage_ranks() / plan.layout.token_copies();
    const int64_t first = std::accumulate(sequences.begin(), sequences.begin() + place, int64_t{0});
    return {
        {microbatch * (plan.workload.global_batch / micro_batches) + first, sequences[static_cast<size_t>(rank)], 0}};
  }
  const TeamPosition at = team_of(plan.elastic, rank);
  const Team& team = plan.elastic.teams[static_cast<size_t>(at.team)];
  const auto batch_of = [&](int task) { return plan.workload.tasks[static_cast<size_t>(task)].batch / micro_batches; };
  int64_t all = 0;
  for (const int task : team.tasks) all += batch_of(task);
  const int64_t own = start_of(all, at.position, team.ranks), own_end = start_of(all, at.position + 1, team.ranks);
  std::vector<SequenceRange> ranges;
  int64_t passed = 0;  // sequences of the team's tasks before this one
  for (const int task : team.tasks) {
    int64_t first = 0;
    for (int before = 0; before < task; ++before) first += plan.workload.tasks[static_cast<size_t>(before)].batch;
    const int64_t batch = batch_of(task), begin = std::clamp<int64_t>(own - passed, 0, batch),
                  end = std::clamp<int64_t>(own_end - passed, 0, batch);
    ranges.push_back({first + microbatch * batch + begin, end - begin, task});
    passed += batch;
  }
  return ranges;
}

std::vector<int64_t> local_sequences(const Plan& plan) {
  if (!plan.elastic.sequences_per_rank.empty()) return plan.elastic.sequences_per_rank;
  const auto ranks = static_cast<size_t>(plan.layout.ranks);
  const int64_t parts = int64_t{plan.layout.token_holders()} * plan.layout.micro_batches;
  std::vector<int64_t> sequences(ranks, plan.workload.global_batch / parts);
  for (int rank = 0; rank < plan.layout.ranks && !plan.elastic.teams.empty(); ++rank) {
    sequences[static_cast<size_t>(rank)] = 0;
    for (const SequenceRange& range : local_batch(plan, rank, 0)) sequences[static_cast<size_t>(rank)] += range.count;
  }
  return sequences;
}

void check_elastic(const Plan& plan, const PlanChecker& check) {
  if (plan.elastic.present() && plan.workload.phase != WorkloadPhase::training)
    check.refuse("/elastic", "splits the batch of an inference workload", "leave elastic out");
  if (!plan.elastic.sequences_per_rank.empty()) check_shares(plan, check);
  if (!plan.model.routed_by_task && !plan.elastic.teams.empty())
    check.refuse("/elastic/teams", "are given to a model with a router", "leave teams out");
  check_tasks(plan, check);
}

}  // namespace moesaic
