#include "planner/elastic/teams.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/schema/error.h"

namespace moesaic::planner {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t load_of(const std::vector<int64_t>& batches, const Team& team) {
  int64_t load = 0;
  for (const int task : team.tasks) load += batches[static_cast<size_t>(task)];
  return ceil_div(load, team.ranks);
}

using Bins = std::vector<std::vector<int>>;  // tasks per rank

/// Fewest bins by dynamic programming over subsets: fewest bins, then least fill of the last one.
Bins pack_exactly(const std::vector<int64_t>& batches, const std::vector<int>& tasks, int64_t most) {
  struct State {
    int bins = 0;
    int64_t fill = 0;
    int last = -1;  // the task put in last
    bool opened = false;
  };
  const size_t subsets = size_t{1} << tasks.size();
  std::vector<State> best(subsets);
  for (size_t set = 1; set < subsets; ++set) {
    best[set].bins = std::numeric_limits<int>::max();
    for (size_t i = 0; i < tasks.size(); ++i) {
      if ((set >> i & 1) == 0) continue;
      const State& before = best[set ^ (size_t{1} << i)];
      const int64_t size = batches[static_cast<size_t>(tasks[i])];
      const bool opens = before.bins == 0 || before.fill + size > most;
      const State now{before.bins + opens, opens ? size : before.fill + size, static_cast<int>(i), opens};
      if (std::pair(now.bins, now.fill) < std::pair(best[set].bins, best[set].fill)) best[set] = now;
    }
  }
  Bins bins;
  std::vector<int> open;
  for (size_t set = subsets - 1; set != 0; set ^= size_t{1} << best[set].last) {
    open.push_back(tasks[best[set].last]);
    if (!best[set].opened) continue;
    std::sort(open.begin(), open.end());
    bins.push_back(std::move(open));
    open.clear();
  }
  return bins;
}

Bins pack_first_fit(const std::vector<int64_t>& batches, std::vector<int> tasks, int64_t most) {
  const auto size = [&](int task) { return batches[static_cast<size_t>(task)]; };
  std::stable_sort(tasks.begin(), tasks.end(), [&](int a, int b) { return size(a) > size(b); });
  Bins bins;
  std::vector<int64_t> fill;
  for (const int task : tasks) {
    size_t bin = 0;
    while (bin < bins.size() && fill[bin] + size(task) > most) ++bin;
    if (bin == bins.size()) bins.emplace_back(), fill.push_back(0);
    bins[bin].push_back(task);
    fill[bin] += size(task);
  }
  return bins;
}

int total_ranks(const std::vector<Team>& teams) {
  return std::accumulate(teams.begin(), teams.end(), 0, [](int sum, const Team& team) { return sum + team.ranks; });
}

/// Gives one more rank to the busiest team that can use it.
bool lighten(const std::vector<int64_t>& batches, std::vector<Team>& teams) {
  Team* busiest = nullptr;
  for (Team& team : teams) {
    const bool can = team.tasks.size() > 1 || team.ranks < batches[static_cast<size_t>(team.tasks[0])];
    if (can && (busiest == nullptr || load_of(batches, team) > load_of(batches, *busiest))) busiest = &team;
  }
  if (busiest == nullptr) return false;
  if (busiest->tasks.size() == 1) {
    ++busiest->ranks;
  } else {
    const int moved = busiest->tasks.back();
    busiest->tasks.pop_back();
    teams.push_back({{moved}, 1});
  }
  return true;
}

void order_by_first_task(std::vector<Team>& teams) {
  std::sort(teams.begin(), teams.end(), [](const Team& a, const Team& b) { return a.tasks[0] < b.tasks[0]; });
}

}  // namespace

int64_t busiest_share(const std::vector<int64_t>& batches, const std::vector<Team>& teams) {
  int64_t busiest = 0;
  for (const Team& team : teams) busiest = std::max(busiest, load_of(batches, team));
  return busiest;
}

std::vector<Team> smallest_teams(const std::vector<int64_t>& batches, int64_t most) {
  MOESAIC_CHECK(most >= 1, "a rank needs at least one sequence");
  constexpr size_t kExactTasks = 16;  // 65536 subsets
  std::vector<Team> teams;
  std::vector<int> light;
  for (int task = 0; task < static_cast<int>(batches.size()); ++task) {
    const int64_t batch = batches[static_cast<size_t>(task)];
    if (batch > most)
      teams.push_back({{task}, static_cast<int>(ceil_div(batch, most))});
    else
      light.push_back(task);
  }
  for (std::vector<int>& bin :
       light.size() <= kExactTasks ? pack_exactly(batches, light, most) : pack_first_fit(batches, light, most))
    teams.push_back({std::move(bin), 1});
  order_by_first_task(teams);
  return teams;
}

std::vector<Team> balanced_teams(const std::vector<int64_t>& batches, int ranks) {
  const int64_t all = std::accumulate(batches.begin(), batches.end(), int64_t{0});
  int64_t least = ceil_div(all, ranks), most = std::max(least, all);  // one rank can hold all
  while (least < most) {
    const int64_t middle = (least + most) / 2;
    if (total_ranks(smallest_teams(batches, middle)) <= ranks)
      most = middle;
    else
      least = middle + 1;
  }
  std::vector<Team> teams = smallest_teams(batches, most);
  while (total_ranks(teams) < ranks && lighten(batches, teams)) {
  }
  order_by_first_task(teams);
  return teams;
}

std::vector<Team> even_teams(const std::vector<int64_t>& batches, int ranks) {
  const int tasks = static_cast<int>(batches.size()), each = tasks > 0 ? ranks / tasks : 0;
  std::vector<Team> teams;
  if (each < 1 || ranks % tasks != 0 || *std::min_element(batches.begin(), batches.end()) < each) return teams;
  for (int task = 0; task < tasks; ++task) teams.push_back({{task}, each});
  return teams;
}

std::vector<Team> one_team(const std::vector<int64_t>& batches, int ranks) {
  if (std::accumulate(batches.begin(), batches.end(), int64_t{0}) < ranks) return {};
  Team team{{}, ranks};
  for (int task = 0; task < static_cast<int>(batches.size()); ++task) team.tasks.push_back(task);
  return {team};
}

std::vector<int64_t> shares_by_speed(int64_t sequences, const std::vector<double>& speeds) {
  MOESAIC_CHECK(sequences >= static_cast<int64_t>(speeds.size()), "every rank needs a sequence");
  std::vector<int64_t> shares(speeds.size(), 1);
  // Each further sequence goes where it ends first; exchanging any two shows that no split has a smaller maximum.
  for (auto left = sequences - static_cast<int64_t>(speeds.size()); left > 0; --left) {
    size_t best = 0;
    const auto end = [&](size_t rank) { return static_cast<double>(shares[rank] + 1) / speeds[rank]; };
    for (size_t rank = 1; rank < speeds.size(); ++rank)
      if (end(rank) < end(best)) best = rank;
    ++shares[best];
  }
  return shares;
}

}  // namespace moesaic::planner
