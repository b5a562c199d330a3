#pragma once
// Worker processes that simulate plans side by side, forked when the pool is made. A worker that dies costs the one
// plan it had and is replaced. The pool must be made in a process that never made a SimGrid engine; its results do not
// depend on the number of workers.

#include <sys/types.h>

#include <span>
#include <vector>

#include "simulator/message.h"

namespace moesaic::simulator {

class WorkerPool {
 public:
  /// DeviceError where no process can be made.
  explicit WorkerPool(int num_workers);
  /// Ends all workers, idle or not, and waits for them.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// One outcome per plan, in order. To be called by one thread at a time.
  std::vector<SimulationOutcome> run(std::span<const Plan> plans, const SimulationOptions& options);

  std::vector<pid_t> pids() const;

 private:
  struct Worker {
    pid_t pid = -1;
    int socket = -1;
    ptrdiff_t plan = -1;  // which it works on, -1: idle
  };
  static Worker fork_worker();
  static int end_worker(Worker& worker);
  /// Gives the worker the next plans until it takes one; a plan that cannot be sent has its error at once.
  void assign(Worker& worker, std::span<const Plan> plans, const SimulationOptions& options, size_t& next,
              std::vector<SimulationOutcome>& outcomes);
  void collect(Worker& worker, std::vector<SimulationOutcome>& outcomes);

  std::vector<Worker> workers_;
};

}  // namespace moesaic::simulator
