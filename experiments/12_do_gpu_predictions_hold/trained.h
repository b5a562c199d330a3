#pragma once
// A training step that somebody has measured, with its layout: the plan that says the same.

#include <optional>
#include <string>

#include "core/plan/plan.h"
#include "experiments/laboratory/laboratory.h"

namespace moesaic::experiments {

struct TrainedConfiguration {
  std::string framework;               // and where it stands
  std::string model, device;           // names of documents
  std::optional<int64_t> layers;       // the model was cut to so many
  int64_t dense_layers = 0;            // of these
  std::optional<std::string> unclear;  // what of the run no plan can say
  int ranks = 1, tp = 1, pp = 1, ep = 1, zero = 0;
  int micro_batches = 1;
  int64_t sequences = 1;                  // of a microbatch on one rank
  int64_t sequence_length = 0;            // tokens
  std::optional<double> capacity_factor;  // experts are padded to it
  Seconds step_s = 0;                     // measured
  std::optional<Bytes> peak_bytes;        // measured, of the device that allocates most

  static void members(auto& self, auto visit) {
    visit("framework", self.framework);
    visit("model", self.model);
    visit("device", self.device);
    visit("layers", self.layers);
    visit("dense_layers", self.dense_layers);
    visit("unclear", self.unclear);
    visit("ranks", self.ranks);
    visit("tp", self.tp);
    visit("pp", self.pp);
    visit("ep", self.ep);
    visit("zero", self.zero);
    visit("micro_batches", self.micro_batches);
    visit("sequences", self.sequences);
    visit("sequence_length", self.sequence_length);
    visit("capacity_factor", self.capacity_factor);
    visit("step_s", self.step_s);
    visit("peak_bytes", self.peak_bytes);
  }
};

/// Weights and activations bf16, uniform routing, nothing recomputed, every other decision at its baseline. InputError
/// where a plan cannot say the run.
Plan training_plan(const TrainedConfiguration& trained, const Laboratory& laboratory);

/// The null model, of one rank and nothing but products and the weights that they read:
///     max(6 a n / (R peak), 3 m W / (R bandwidth))
/// a: parameters that a token visits, n: tokens of a step, m: microbatches, W: bytes of all weights, R: ranks.
Seconds training_flops_and_bytes(const Plan& plan);

}  // namespace moesaic::experiments
