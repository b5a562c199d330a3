#pragma once
// The bf16 copies of weights that matrix products read, kept from step to step beside the f32 originals. It keeps none
// of weights that anything but AdamW writes in a step, gathered shares or fetched experts: products round those.

#include <unordered_map>

#include "core/graph/task_graph.h"
#include "executor/backend/backend.h"
#include "executor/cpu/bfloat16.h"
#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {

/// Before the first step the host may write weights as it likes; from then on they change through AdamW tasks alone.
class RoundedWeights {
 public:
  /// [elements] of the weight, rounded at the first call; null where no copy may be kept.
  const BFloat16* find(const Operand& weight, const TaskGraph& graph);
  /// AdamW has written elements [begin, end); the copy, if there is one, follows.
  void renew(const Operand& weight, int64_t begin, int64_t end);
  /// These bytes are no longer what they were: released, or copied over.
  void forget(const void* data, Bytes bytes);

 private:
  struct Copy {
    Scratch<BFloat16> values;
    int64_t elements = 0;
  };
  std::unordered_map<const void*, Copy> copies_;  // by the address of the weight
};

}  // namespace moesaic::executor::cpu
