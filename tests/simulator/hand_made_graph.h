#pragma once
// Graphs built task by task on clusters with round numbers, and a way to simulate them: in a child process, since a
// process simulates once. No test stands here.

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "core/schema/error.h"
#include "simulator/frame.h"
#include "simulator/message.h"

namespace moesaic::simulator {

/// 1 GB/s NICs and 10 GB/s ports without latency, 1 GB of memory, rooflines of 1 flop/ns at full efficiency; launches
/// are free, and collectives take nothing from compute.
inline Plan small_plan(int num_nodes, int devices_per_node) {
  Plan plan;
  plan.name = "small";
  plan.layout.ranks = num_nodes * devices_per_node;
  plan.cluster.name = "small";
  plan.cluster.num_nodes = num_nodes;
  plan.cluster.devices_per_node = devices_per_node;
  plan.cluster.nics_per_node = devices_per_node;
  plan.cluster.device = {"device", 1'000'000'000, 1e30, 1e9, 1e9, false};  // bandwidth never binds
  plan.cluster.intra_node = {10e9, 0};
  plan.cluster.nic = {1e9, 0};
  plan.profile.assumed_flops_efficiency = 1;
  plan.profile.assumed_bandwidth_efficiency = 1;
  plan.profile.launch_interval_s = 0, plan.profile.collective_slowdown = 1;
  plan.workload.global_batch = plan.layout.ranks;
  return plan;
}

/// A graph without tensors for the ranks of `plan`, with the communicator family "world".
inline TaskGraph empty_graph(const Plan& plan) {
  TaskGraph graph;
  graph.num_ranks = plan.layout.ranks;
  std::vector<int> all(static_cast<size_t>(graph.num_ranks));
  std::iota(all.begin(), all.end(), 0);
  graph.communicators.push_back({"world", {all}, Table<int, int>(all.size(), 0)});
  return graph;
}

/// A compute task of that many microseconds on the machine of small_plan().
inline TaskIndex add_compute(TaskGraph& graph, const std::string& label, double microseconds,
                             std::vector<TaskIndex> after = {}, Lane lane = Lane::compute) {
  Task task;
  task.label = label;
  task.op = Op::linear;
  task.lane = lane;
  task.shape = {.n = 1, .k = 1};
  task.fixed_rows = std::llround(microseconds * 1e-6 * 1e9 / 2);  // 2 flops a row at 1e9 flop/s
  task.dependencies = std::move(after);
  graph.tasks.push_back(task);
  return graph.tasks.last();
}

/// A ring all-gather to which every member contributes `bytes`: each NIC of a cluster with one device per node carries
/// bytes * (n - 1).
inline TaskIndex add_all_gather(TaskGraph& graph, const std::string& label, int communicator, Bytes bytes,
                                std::vector<TaskIndex> after = {}, Lane lane = Lane::network) {
  Task task;
  task.label = label;
  task.op = Op::all_gather;
  task.lane = lane;
  task.communicator = communicator;
  task.bytes = bytes;
  task.dependencies = std::move(after);
  graph.tasks.push_back(task);
  return graph.tasks.last();
}

/// Simulates with a timeline in a child process, through the message format of the workers.
inline SimulationResult simulate_in_child(const TaskGraph& graph, const Plan& plan) {
  int ends[2];
  MOESAIC_CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no socket");
  const pid_t pid = ::fork();
  if (pid == 0) {
    try {
      send_frame(ends[1], write_answer(simulate_in_this_process(graph, plan, {true, 0})));
    } catch (const InputError& error) {
      send_frame(ends[1], write_error("input", error.what()));
    } catch (const std::exception& error) {
      send_frame(ends[1], write_error("internal", error.what()));
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  const auto answer = receive_frame(ends[0]);
  ::close(ends[0]);
  ::waitpid(pid, nullptr, 0);
  MOESAIC_CHECK(answer.has_value(), "the simulation died");
  SimulationOutcome outcome = read_answer(*answer);
  if (outcome.error) std::rethrow_exception(outcome.error);
  return std::move(outcome.result);
}

/// Start and end of a task in microseconds, rounded to nanoseconds.
inline std::vector<double> span_us(const SimulationResult& result, int rank, TaskIndex task) {
  const TaskTime& time =
      result.timeline.times[static_cast<size_t>(rank) * result.timeline.rows.size() + static_cast<size_t>(task)];
  return {std::round(time.start * 1e9) / 1e3, std::round(time.end * 1e9) / 1e3};
}

}  // namespace moesaic::simulator
