#pragma once
// What the transfer tasks of every rank move and which ports that passes, asked of ExpertTraffic once, in program
// order.

#include <map>
#include <utility>
#include <vector>

#include "simulator/expert_traffic.h"
#include "simulator/platform.h"

namespace moesaic::simulator {

class TransferTable {
 public:
  /// Of a graph without transfers it is empty. `on_core`: as Platform::append_flows() takes it.
  TransferTable(const TaskGraph& graph, const Plan& plan, const Platform& platform, int64_t step, bool on_core);

  struct Work {
    TransferWork moved;
    std::vector<Flow> flows;
  };
  /// Of a transfer task that the rank's stage runs.
  const Work& work(TaskIndex task, int rank) const { return works_.at({rank, task}); }

 private:
  std::map<std::pair<int, TaskIndex>, Work> works_;
};

}  // namespace moesaic::simulator
