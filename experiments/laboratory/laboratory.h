#pragma once
// What a study may ask for: documents by name, predictions, executions. The program hands it in, a test what its study
// needs. It knows no question.

#include <functional>
#include <string>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "core/evaluate/simulation_cost.h"
#include "core/timeline/timeline.h"
#include "experiments/laboratory/published_system.h"
#include "planner/problem/problem.h"

namespace moesaic::experiments {

/// Without a routing's name it is uniform, without a profile's the one that belongs to the cluster.
struct DocumentNames {
  std::string model, cluster, workload, routing, profile;
};

/// How an execution joins its ranks.
enum class Way {
  pinned,    // a process and a core for each
  emulated,  // threads at the speeds and links of the plan's cluster, whatever this machine has
};

/// Of an emulated execution: what the operators of rank 0 should have lasted, what they did, and the mean lateness of
/// its sleeps before the next operator made up for it.
struct Emulation {
  Seconds due = 1, lasted = 1, woke_late = 0;
};

struct Execution {
  Seconds step_seconds = 0;                   // the median step
  std::vector<double> losses;                 // [steps]; not a number where a step was skipped
  Seconds exposed_communication_seconds = 0;  // of the median step
  Bytes peak_device_bytes = 0;                // of the largest rank
  Timeline timeline;                          // of the median step
  RoutingDocument routing;                    // what the router chose, the median step first
  Emulation emulation;
};

/// How the ranks of an exchange are joined: links that delay, or TCP between network namespaces.
enum class Transport { threads, emulated_hosts };

struct ExchangeSamples {
  std::vector<double> seconds;  // [repetitions]
  int64_t inter_node_messages = 0, inter_node_bytes = 0;
};

struct ExchangeTimes {
  ExchangeSamples flat, hierarchical;
};

struct Laboratory {
  std::function<Model(const std::string& name)> model;
  std::function<Cluster(const std::string& name)> cluster;
  std::function<Workload(const std::string& name)> workload;
  std::function<RoutingDocument(const std::string& name)> routing;
  std::function<Profile(const Cluster& cluster)> profile;  // shipped for its device, else plain peak rates
  std::function<planner::Fixed(const std::string& name)> preset;
  std::function<PublishedSystem(const std::string& name)> system;
  std::function<planner::Problem(const DocumentNames& names)> problem;

  Evaluator* evaluator = nullptr;
  /// One step, with the time of every task and the memory.
  std::function<Timeline(const Plan& plan)> simulate;
  /// Of one step in a fresh process, by an engine that has this name.
  std::function<SimulationCost(const Plan& plan, const std::string& engine)> simulation_cost;
  std::function<Execution(const Plan& plan, int64_t steps, Way way)> execute;
  /// Times of the exchanges of each plan, all on the cluster of the first, flat and hierarchical in turns: [plans].
  /// Empty where this machine cannot join ranks so.
  std::function<std::vector<ExchangeTimes>(const std::vector<Plan>& plans, Transport transport, int repetitions)>
      exchange;

  std::function<void(int done, int total, const std::string& what)> progress = [](int, int, const std::string&) {};
};

}  // namespace moesaic::experiments
