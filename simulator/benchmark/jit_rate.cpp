// Activities per second of the step interpreter against a bare just-in-time loop over SimGrid that makes the same
// activities: stages of one computation and one skewed all-to-all (a flow out and a flow in) on 64 ranks, or as many as
// the argument says. Both run in
// fresh processes, in turns; medians of 5.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <simgrid/s4u.hpp>
#include <vector>

#include "simulator/engine_kind.h"
#include "simulator/simgrid_versions.h"
#include "simulator/step_simulation.h"
#include "simulator/step_tables.h"

namespace {

using namespace moesaic;
using namespace moesaic::simulator;

int num_ranks = 64;                  // the argument of the program
constexpr int kActivities = 25'728;  // of the short run
constexpr int kRepetitions = 5;
constexpr double kBandwidth = 50e9;
constexpr Bytes kBytesPerRow = 4096;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Plan make_plan() {
  Plan plan;
  plan.layout = {num_ranks, num_ranks, 1};
  plan.cluster.num_nodes = num_ranks;
  plan.cluster.device = {"device", int64_t{1} << 40, 1e30, 1e12, 1e12, false};
  plan.cluster.nic = {kBandwidth, 0};
  plan.profile.assumed_flops_efficiency = plan.profile.assumed_bandwidth_efficiency = 1;
  plan.model.num_layers = 1;
  plan.model.num_experts = num_ranks;
  plan.model.top_k = 1;
  plan.model.moe_layers = {true};
  plan.routing.num_iterations = 4;
  plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = plan.routing.num_experts = num_ranks;
  for (int iteration = 0; iteration < 4; ++iteration)
    for (int source = 0; source < num_ranks; ++source)
      for (int expert = 0; expert < num_ranks; ++expert)
        plan.routing.counts.push_back(1 + (source * 7 + expert * (2 * iteration + 3)) % num_ranks);
  plan.workload.global_batch = num_ranks;
  plan.workload.sequence_length =
      std::accumulate(plan.routing.counts.begin(), plan.routing.counts.begin() + num_ranks, int64_t{0});
  return plan;
}

/// Every source sends the same number of rows, or the routing would be rescaled. Stage s computes and then exchanges
/// the rows of routing iteration s.
TaskGraph make_graph(const Plan& plan, int stages) {
  TaskGraph graph;
  graph.num_ranks = num_ranks;
  graph.tokens_per_rank = plan.workload.sequence_length;
  graph.placement = {contiguous_placement(num_ranks, num_ranks)};
  std::vector<int> all(num_ranks);
  std::iota(all.begin(), all.end(), 0);
  graph.communicators.push_back({"ep", {all}, Table<int, int>(num_ranks, 0)});
  for (int stage = 0; stage < stages; ++stage) {
    Task compute, exchange;
    compute.label = "stage " + std::to_string(stage) + " / compute";
    compute.op = Op::linear;
    compute.shape = {.n = 1024, .k = 1024};
    compute.fixed_rows = 64;
    exchange.label = "stage " + std::to_string(stage) + " / dispatch";
    exchange.op = Op::all_to_all;
    exchange.lane = Lane::network;
    exchange.communicator = 0;
    exchange.moe_layer = 0;
    exchange.microbatch = stage;
    exchange.rows = Rows::sent;
    exchange.leg = Leg::dispatch;
    exchange.bytes_per_row = kBytesPerRow;
    const TaskIndex next = graph.tasks.next();
    if (stage > 0) compute.dependencies = {graph.tasks.last()};
    exchange.dependencies = {next};
    graph.tasks.push_back(compute);
    graph.tasks.push_back(exchange);
  }
  return graph;
}

struct Measurement {
  double wall_seconds = 0, simulated_seconds = 0;
  int64_t activities = 0;
};

Measurement run_interpreter(const TaskGraph& graph, const Plan& plan) {
  const auto begin = std::chrono::steady_clock::now();
  StepTables step(graph, plan, 0, true);
  MemoryTracker memory(graph, step.rows, step.programs, step.classes, false);
  StepSimulation simulation(make_engine(EngineKind::simgrid), step.parts(memory), Fusion::none);
  simulation.run();
  const double wall = seconds_since(begin);
  const int64_t activities = simulation.activities();
  Seconds end = 0;
  for (const TaskTime& time : simulation.take_times()) end = std::max(end, time.end);
  return {wall, end, activities};
}

/// The same activities without graph, prices or memory: sizes are read from tables, progress is two counters per stage.
class BareLoop {
 public:
  BareLoop(int stages, double seconds, std::vector<uint64_t> out, std::vector<uint64_t> in)
      : stages_(stages),
        seconds_(seconds),
        out_(std::move(out)),
        in_(std::move(in)),
        held_(num_ranks * 3),
        flows_left_(num_ranks, 0),
        stage_(num_ranks, 0),
        computed_(stages, 0) {}

  Measurement run() {
    namespace sg = simgrid::s4u;
    const auto begin = std::chrono::steady_clock::now();
    char name[] = "bare", quiet[] = "--log=root.thresh:error";
    char* arguments[] = {name, quiet, nullptr};
    int count = 2;
    sg::Engine engine(&count, arguments);
    share_max_min();
    sg::NetZone* zone = star_zone(engine);
    fabric_ = new_host(zone, "fabric", {1.0});
    for (int rank = 0; rank < num_ranks; ++rank) {
      const std::string port = std::to_string(rank);
      hosts_.push_back(new_host(zone, port, {1.0}));
      route_from(zone, hosts_.back(), {sg::LinkInRoute(new_link(zone, port + " out", kBandwidth))});
      route_to(zone, hosts_.back(), {sg::LinkInRoute(new_link(zone, port + " in", kBandwidth))});
    }
    engine.seal_platform();
    tell_completions(
        [this](const sg::Activity& activity) { completed(reinterpret_cast<uintptr_t>(activity.get_data<void>())); });
    for (int rank = 0; rank < num_ranks; ++rank) compute(rank);
    engine.run();
    return {seconds_since(begin), sg::Engine::get_clock(), activities_};
  }

 private:
  void hold(simgrid::s4u::ActivityPtr activity, uintptr_t slot) {
    activity->set_data(reinterpret_cast<void*>(slot));
    held_[slot] = std::move(activity);
    ++activities_;
  }

  void compute(int rank) {
    const simgrid::s4u::ExecPtr exec = simgrid::s4u::Exec::init();
    exec->set_flops_amount(seconds_);
    exec->set_host(hosts_[static_cast<size_t>(rank)]);
    hold(exec, static_cast<uintptr_t>(rank) * 3);
    exec->start();
  }

  void flow(int rank, bool out, uint64_t bytes) {
    simgrid::s4u::Host* host = hosts_[static_cast<size_t>(rank)];
    const simgrid::s4u::CommPtr comm = simgrid::s4u::Comm::sendto_init(out ? host : fabric_, out ? fabric_ : host);
    comm->set_payload_size(bytes);
    hold(comm, static_cast<uintptr_t>(rank) * 3 + (out ? 1 : 2));
    comm->start();
  }

  void completed(uintptr_t slot) {
    last_ended_ = std::move(held_[slot]);
    const size_t rank = slot / 3;
    const auto stage = static_cast<size_t>(stage_[rank]);
    if (slot % 3 == 0) {
      if (++computed_[stage] < num_ranks) return;
      for (int r = 0; r < num_ranks; ++r) {
        flows_left_[static_cast<size_t>(r)] = 2;
        flow(r, true, out_[(stage % 4) * num_ranks + static_cast<size_t>(r)]);
        flow(r, false, in_[(stage % 4) * num_ranks + static_cast<size_t>(r)]);
      }
    } else if (--flows_left_[rank] == 0 && ++stage_[rank] < stages_) {
      compute(static_cast<int>(rank));
    }
  }

  int stages_;
  double seconds_;
  std::vector<uint64_t> out_, in_;  // [4 iterations, ranks]
  std::vector<simgrid::s4u::Host*> hosts_;
  simgrid::s4u::Host* fabric_ = nullptr;
  std::vector<simgrid::s4u::ActivityPtr> held_;  // [ranks, 3]
  simgrid::s4u::ActivityPtr last_ended_;
  std::vector<int> flows_left_, stage_;  // [ranks]
  std::vector<int> computed_;            // [stages]
  int64_t activities_ = 0;
};

Measurement run_bare(const Plan& plan, int stages) {
  std::vector<uint64_t> out, in;
  for (int iteration = 0; iteration < 4; ++iteration)
    for (int rank = 0; rank < num_ranks; ++rank) {
      int64_t sent = 0, received = 0;
      for (int other = 0; other < num_ranks; ++other) {
        if (other == rank) continue;
        sent += plan.routing.counts[static_cast<size_t>((iteration * num_ranks + rank) * num_ranks + other)];
        received += plan.routing.counts[static_cast<size_t>((iteration * num_ranks + other) * num_ranks + rank)];
      }
      out.push_back(static_cast<uint64_t>(sent * kBytesPerRow));
      in.push_back(static_cast<uint64_t>(received * kBytesPerRow));
    }
  return BareLoop(stages, 64 * 2.0 * 1024 * 1024 / 1e12, out, in).run();
}

template <class F>
Measurement in_child(F run) {
  std::fflush(stdout);  // SimGrid flushes what a child inherits
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t pid = ::fork();
  if (pid == 0) {
    const Measurement measurement = run();
    ::_exit(::write(ends[1], &measurement, sizeof measurement) == sizeof measurement ? 0 : 1);
  }
  ::close(ends[1]);
  Measurement measurement;
  if (::read(ends[0], &measurement, sizeof measurement) != sizeof measurement) measurement = {};
  ::close(ends[0]);
  ::waitpid(pid, nullptr, 0);
  return measurement;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(int stages) {
  const Plan plan = make_plan();
  const TaskGraph graph = make_graph(plan, stages);
  std::vector<double> ours, bare;
  Measurement last_ours, last_bare;
  for (int i = 0; i < kRepetitions; ++i) {
    last_ours = in_child([&] { return run_interpreter(graph, plan); });
    last_bare = in_child([&] { return run_bare(plan, stages); });
    ours.push_back(static_cast<double>(last_ours.activities) / last_ours.wall_seconds);
    bare.push_back(static_cast<double>(last_bare.activities) / last_bare.wall_seconds);
  }
  std::printf(
      "%9lld activities (bare %lld)   interpreter %7.0f k/s   bare %7.0f k/s   ratio %.2f   simulated %.9f s (bare "
      "%.9f s)\n",
      static_cast<long long>(last_ours.activities), static_cast<long long>(last_bare.activities), median(ours) / 1e3,
      median(bare) / 1e3, median(ours) / median(bare), last_ours.simulated_seconds, last_bare.simulated_seconds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    num_ranks = std::max(2, std::atoi(argv[1]));
    compare((kActivities + 3 * num_ranks - 1) / (3 * num_ranks));
    return 0;
  }
  compare(kActivities / (3 * num_ranks));
  compare(10 * kActivities / (3 * num_ranks));
  return 0;
}
