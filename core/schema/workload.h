#pragma once
// What is to be run: the phase, the batch, the sequence length and the training hyper-parameters.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

enum class WorkloadPhase { training, prefill, decode };

/// How the learning rate moves over the steps of a run: up to its peak, then down.
struct LearningRateSchedule {
  enum class Decay { constant, linear, cosine };

  Decay decay = Decay::constant;
  int64_t warmup_steps = 0;      // below the peak, at the beginning
  int64_t decay_steps = 0;       // of the whole decline, those of the warm-up included; linear and cosine
  double min_learning_rate = 0;  // from decay_steps on; linear and cosine
  bool operator==(const LearningRateSchedule&) const = default;
};

struct Optimizer {              // AdamW, arXiv 1711.05101
  double learning_rate = 1e-3;  // the peak, where there is a schedule
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  LearningRateSchedule schedule = {};
  double max_gradient_norm = 0;  // gradients are clipped to it, by their global norm; 0: they are not

  bool clips() const { return max_gradient_norm > 0; }
  /// Of step `step` (from 0), a pure function of its number. With peak p, least m, w warm-up steps and d decay_steps:
  ///     p (step + 1) / (w + 1)                               step < w
  ///     p                                                    else, constant
  ///     m + (p - m) f((step - w) / (d - w))                  else, up to step d; m behind it
  /// linear: f(x) = 1 - x; cosine: f(x) = (1 + cos(pi x)) / 2. The formula of nanoGPT's get_lr(); behind the warm-up
  /// the cosine is torch's CosineAnnealingLR(T_max = d - w, eta_min = m) (arXiv 1608.03983, eq. 5).
  double learning_rate_at(int64_t step) const;
  /// What gradients of this norm are multiplied with, as by torch.nn.utils.clip_grad_norm_: min(1, max / (norm +
  /// 1e-6)).
  float gradient_scale(double norm) const;

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
  uint64_t seed = 0;                         // of initial values and data
  std::vector<WorkloadTask> tasks = {};      // their batches sum to global_batch; empty: one task
  std::optional<DType> kv_cache_dtype = {};  // of cached keys and values, or latent vectors; none: as activations

  /// That a sequence brings to one step.
  int64_t tokens_per_sequence() const { return phase == WorkloadPhase::decode ? 1 : sequence_length; }
  /// Tokens that one step processes: global_batch * sequence_length, or global_batch for decode.
  int64_t tokens_per_step() const { return global_batch * tokens_per_sequence(); }
  bool operator==(const Workload&) const = default;
};

}  // namespace moesaic
