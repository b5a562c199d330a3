#pragma once
// What every verb shares: where documents are found, how results and progress are shown. It knows no verb.

#include <chrono>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "planner/problem/problem.h"

namespace CLI {
class App;  // its header is half of a compilation of this program, and most files parse no options
}

namespace moesaic::cli {

/// Exit codes of the program; 130 is the shell's convention for an interrupt.
enum ExitCode {
  kOk = 0,
  kInternal = 1,
  kBadInput = 2,
  kDevice = 3,
  kInfeasible = 4,
  kNothingFound = 5,
  kInterrupted = 130
};

/// Options of all verbs.
struct Session {
  bool json = false;
  uint64_t seed = 0;
  int exit_code = kOk;
  bool allow_other_device = false;  // a profile may be another device's than the cluster's

  /// Folders with models/, clusters/, ...: beside an installed program, else in the source tree.
  std::vector<std::string> document_roots() const;
  std::string preset_folder() const;
  std::string preset_path(const std::string& name) const;

  /// Where the document of a name stands. Clusters and profiles also resolve to the folder that `moesaic profile`
  /// writes.
  std::string model_file(const std::string& name) const;
  std::string cluster_file(const std::string& name) const;
  std::string workload_file(const std::string& name) const;

  Model load_model(const std::string& name) const;
  /// A cluster's name may also be that of a device and a shape: "h200-141g-sxm-4x8".
  struct FoundCluster {
    Cluster cluster;
    std::string file;  // for errors
  };
  FoundCluster find_cluster(const std::string& name) const;
  Cluster load_cluster(const std::string& name) const;
  Workload load_workload(const std::string& name) const;
  RoutingDocument load_routing(const std::string& name) const;  // "" is uniform
  /// "" takes the shipped profile of the cluster's device, or plain peak rates where there is none.
  Profile load_profile(const std::string& name, const Cluster& cluster) const;
  /// The profile with every curve assumed, where another device's is allowed; else throws InputError.
  Profile of_other_device(Profile profile, const Cluster& cluster, const std::string& file) const;
  /// The five documents of a problem by name; all else as it is by default. Without a profile's name it is the one that
  /// the folder of the cluster holds.
  planner::Problem load_problem(const std::string& model, const std::string& cluster, const std::string& workload,
                                const std::string& routing, const std::string& profile) const;
  Plan load_plan(const std::string& path) const;

  /// One JSON document on stdout with --json, else text on stdout.
  void print(const Json& json, const std::string& text) const;
  /// A line for people that is not the result: stderr.
  static void say(const std::string& line);
};

/// Adds --json and --seed, of a verb that reads both.
void add_common_options(CLI::App& verb, Session& session);
void add_json_option(CLI::App& verb, Session& session);
/// For a verb that draws nothing: --seed ends with the reason.
void refuse_seed(CLI::App& verb, const std::string& reason);

/// --device: throws DeviceError for cuda in a build without it, InputError for what is no kind of device ("cpu",
/// "cuda") or not that of the plan (a file, or its name) and its cluster.
void check_device(const std::string& device, const std::string& plan, const Cluster& cluster);

/// A verb's progress on one terminal line with the time left; silent for the first two seconds and without a terminal.
class Progress {
 public:
  ~Progress();
  void update(double done, double total, const std::string& what);
  /// Removes the line, until the next update, so that another one can be printed.
  void clear();

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool shown_ = false;
};

/// True after Ctrl-C, SIGTERM or the end of the terminal. install_interrupt_handler() makes those set it instead of
/// ending the process.
void install_interrupt_handler();
bool interrupted();

/// The folder of this program, and the executor's program beside it.
std::string program_folder();
std::string executor_program();

}  // namespace moesaic::cli
