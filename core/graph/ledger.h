#pragma once
// What no technique may change, added up over a graph's tasks: the work of each pass of each layer, the rows that reach
// the experts and come back, the parameters and who holds them. Two ledgers of one plan are compared, from before a
// rewrite and from behind it.

#include <cstdint>
#include <string>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// What a pass may do all the same.
struct PassLicence {
  bool repeats_forward = false;  // once more in backward, any of the forward work of the layer and microbatch
};

class Ledger {
 public:
  /// Of a graph that verify() accepts.
  explicit Ledger(const TaskGraph& graph);

  /// Throws InvariantError that names the pass and what it lost or made up, unless the ledger of the graph behind it
  /// balances with this one, of the graph before.
  void check_conserved_by(const std::string& pass, const Ledger& behind, const PassLicence& licence) const;

 private:
  struct Holding {
    std::string name;
    int64_t elements;  // of all members of the partition
    int64_t holders;   // members of the partition times replicas
    bool operator==(const Holding&) const = default;
  };

  void count(const Task& task, size_t entry, uint64_t volume);
  void count_exchange(const Task& task);
  void check_holdings(const std::string& pass, const Ledger& behind) const;
  void check_work(const std::string& pass, const Ledger& behind, const PassLicence& licence) const;
  std::string describe(size_t index) const;

  int layers_ = 0, microbatches_ = 0;
  uint64_t chunks_ = 1;            // volumes are in units of 1 / chunks
  std::vector<uint64_t> volumes_;  // [microbatches, outside and layers, forward | backward, entries]
  std::vector<Holding> holdings_;  // [parameters]
};

}  // namespace moesaic
