#include "executor/runtime/training/collect_machine.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>

#include "core/schema/hash.h"

namespace moesaic::executor {
namespace {

struct Entry {  // what a rank sends: plain bytes
  char processor[128] = {}, instruction_set[32] = {};
  uint64_t host = 0;  // a hash of its name
  int64_t cores = 0, involuntary_switches = 0;
  double lost_share = 0, steal_share = 0;
};

uint64_t this_host() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return fnv1a64(name);
}

Entry entry_of(const RankMachine& own) {
  Entry entry;
  own.processor.name.copy(entry.processor, sizeof entry.processor - 1);
  own.processor.instruction_set.copy(entry.instruction_set, sizeof entry.instruction_set - 1);
  entry.host = this_host();
  entry.cores = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  entry.involuntary_switches = own.between.involuntary_switches;
  entry.lost_share = own.lost_share;
  entry.steal_share = own.between.steal_share;
  return entry;
}

/// Of the rank that lost most, [steps].
std::vector<double> by_step(const std::vector<TrainedStep>& steps, Gather& gather) {
  std::vector<double> own;
  for (const TrainedStep& step : steps) {
    const StepRecord& record = step.record;
    own.push_back(record.seconds > 0 ? std::min(1.0, record.lost / record.seconds) : 0);
  }
  const std::vector<double> all = gather(own);
  std::vector<double> most(own.size(), 0);
  for (size_t i = 0; i < all.size(); ++i) most[i % own.size()] = std::max(most[i % own.size()], all[i]);
  return most;
}

void add_processor(const Entry& entry, std::vector<Processor>& processors) {
  const Processor processor{entry.processor, entry.instruction_set, 1};
  for (Processor& known : processors)
    if (known.name == processor.name && known.instruction_set == processor.instruction_set) {
      ++known.ranks;
      return;
    }
  processors.push_back(processor);
}

}  // namespace

void collect_machine(const RankMachine& own, const std::vector<TrainedStep>& steps, Gather& gather,
                     TrainResult& result) {
  RunDisturbance& disturbance = result.disturbance;
  std::map<uint64_t, int> ranks_of_host;
  for (const Entry& entry : gather(std::vector<Entry>{entry_of(own)})) {
    add_processor(entry, result.processors);
    disturbance.involuntary_switches.push_back(entry.involuntary_switches);
    disturbance.steal_share = std::max(disturbance.steal_share, entry.steal_share);
    disturbance.ranks_per_core = std::max(disturbance.ranks_per_core, static_cast<double>(++ranks_of_host[entry.host]) /
                                                                          static_cast<double>(entry.cores));
    if (own.measures_lost) disturbance.by_rank.push_back(entry.lost_share);
  }
  if (own.measures_lost) disturbance.by_step = by_step(steps, gather);
}

}  // namespace moesaic::executor
