#pragma once
// One operator on given rows, launched through a backend with operands as old as a step leaves them. It takes no
// medians.

#include <memory>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/profiling/machine.h"
#include "executor/profiling/reuse.h"
#include "executor/profiling/sample.h"
#include "executor/profiling/shapes.h"

namespace moesaic::executor {

/// What the runs of one plan share.
struct MeasuredPlan {
  explicit MeasuredPlan(const Plan& of);

  Plan plan;        // in measured form
  TaskGraph graph;  // of its step
};

/// Memory between the operands and the caches: what is walked through to age an operand.
class CacheWalk {
 public:
  /// `ranks` share the last-level cache. A device with a cache of its own counts as having that one alone.
  CacheWalk(const Machine& machine, int ranks, Backend& backend);
  ~CacheWalk();
  CacheWalk(const CacheWalk&) = delete;
  CacheWalk& operator=(const CacheWalk&) = delete;

  /// Which cache still holds memory of this age: 0 the core's, 1 the last level, 2 none.
  int level_of(Bytes age) const;
  void read(const void* data, Bytes bytes);  // brings it into the nearest cache
  void empty_core_cache();
  void empty_all_caches();

 private:
  void empty(Bytes cache);

  Backend& backend_;
  Bytes core_bytes_, share_bytes_, last_bytes_;
  Bytes bytes_ = 0;  // of memory_, which grows with what is asked for
  void* memory_ = nullptr;
  void* target_;
};

class OperatorRun {
 public:
  OperatorRun(const MeasuredPlan& of, const OperatorShape& shape, int64_t rows, Backend& backend, uint64_t seed);
  ~OperatorRun();
  OperatorRun(const OperatorRun&) = delete;
  OperatorRun& operator=(const OperatorRun&) = delete;

  /// Restores what the last launch used up and empties the caches. Not to be timed.
  void prepare(CacheWalk& caches);
  /// Warms the code and the operands as a step does, then launches: how long the device works on it. Nothing may come
  /// between, so whoever waits for others does it before. Disturbed also where others had the core during the first.
  Sample launch_warmed(CacheWalk& caches);
  /// As it is.
  Sample launch();

 private:
  struct Memory {
    Operand operand;
    void* twin = nullptr;  // as large, for the launch that warms the code
    Bytes age = kFresh;
  };
  void find_task(const OperatorShape& shape);
  void bind_counts();
  Operand sized(TensorId tensor) const;
  void make_operands();
  Sample run(std::span<const Operand> reads, std::span<const Operand> writes);
  void fill(const Operand& operand);
  void copy_repeated(const Operand& operand, const void* from, Bytes bytes);
  void fill_from_router(const Operand& operand, TensorId source);
  TaskIndex producer_of(TensorId tensor) const;
  const Memory* memory_of(TensorId tensor) const;

  const MeasuredPlan& of_;
  const int64_t rows_;
  Backend& backend_;
  const uint64_t seed_;
  TaskGraph graph_;  // with the tokens of these rows
  Task task_;
  int64_t checked_ = 0;  // elements of the gradients at which the step's task looks
  StepContext context_;
  std::vector<SlotCounts> counts_;
  std::vector<Memory> memory_;                     // distinct operands
  std::vector<Operand> reads_, writes_;            // of the task
  std::vector<Operand> twin_reads_, twin_writes_;  // the same on the twins
  std::unique_ptr<OperatorRun> router_;            // where routes come from
};

}  // namespace moesaic::executor
