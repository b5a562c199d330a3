#pragma once
// What is to be run: the phase, the batch, the sequence length and the training hyper-parameters.

#include <cstdint>
#include <string>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

enum class WorkloadPhase { training, prefill, decode };

struct Optimizer {  // AdamW, arXiv 1711.05101
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  bool operator==(const Optimizer&) const = default;
};

/// One of several tasks that are trained together, each with its own share of every step.
struct WorkloadTask {
  std::string name;
  int64_t batch = 1;  // sequences per step
  bool operator==(const WorkloadTask&) const = default;
};

struct Workload {
  std::string name;
  WorkloadPhase phase = WorkloadPhase::training;
  int64_t global_batch = 1;  // sequences per step over all ranks
  int64_t sequence_length =
      1;  // tokens per sequence; for decode: context already in the KV cache, one new token per sequence
  DType compute_dtype = DType::f32;
  Optimizer optimizer;
  uint64_t seed = 0;                     // of initial values and data
  std::vector<WorkloadTask> tasks = {};  // their batches sum to global_batch; empty: one task

  /// Tokens that one step processes: global_batch * sequence_length, or global_batch for decode.
  int64_t tokens_per_step() const {
    return phase == WorkloadPhase::decode ? global_batch : global_batch * sequence_length;
  }
  bool operator==(const Workload&) const = default;
};

}  // namespace moesaic
