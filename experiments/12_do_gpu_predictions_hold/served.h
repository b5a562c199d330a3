#pragma once
// A model that an inference engine serves, as somebody has measured it: the decode step of a plan beside the measured
// time per output token.

#include <optional>
#include <string>

#include "core/plan/plan.h"
#include "experiments/laboratory/laboratory.h"
#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

struct ServedConfiguration {
  std::string engine;                  // and its version
  std::string model, device;           // names of documents
  std::optional<std::string> weights;  // a dtype; none: as the model's document has them
  std::optional<std::string> unclear;  // why nobody knows what was run
  int64_t input = 0, output = 0;       // tokens of a request
  int64_t sequences = 0;               // at a time, of all ranks
  int tp = 1, dp = 1;                  // of attention
  int expert_tp = 1, expert_ep = 1;    // ranks that cut every expert; groups of them
  Seconds token_s = 0;                 // measured, per output token (TPOT)

  static void members(auto& self, auto visit) {
    visit("engine", self.engine);
    visit("model", self.model);
    visit("device", self.device);
    visit("weights", self.weights);
    visit("unclear", self.unclear);
    visit("input", self.input);
    visit("output", self.output);
    visit("sequences", self.sequences);
    visit("tp", self.tp);
    visit("dp", self.dp);
    visit("expert_tp", self.expert_tp);
    visit("expert_ep", self.expert_ep);
    visit("token_s", self.token_s);
  }
};

/// The decode step in the middle of the output: every sequence has its input and half of its output behind it. Nodes of
/// eight devices. Tokens are gathered and sums of experts scattered; a dp of ranks has sequences of its own, a tp has
/// the same. InputError where a plan cannot say it.
Plan decode_plan(const ServedConfiguration& served, const Laboratory& laboratory);

/// Its prefill: one request on every rank of dp.
Plan prefill_plan(const ServedConfiguration& served, const Laboratory& laboratory);

/// Prefills of others between two tokens of a request. While it makes its O tokens, each of the other n / dp - 1
/// sequences of its rank ends and is followed by one that has to be prefilled, and all wait meanwhile:
///     (n / dp - 1) / O
/// n: sequences at a time, O: tokens of an output.
double prefills_per_token(const ServedConfiguration& served);

/// The null model, of one rank and perfect overlap of arithmetic and traffic:
///     max(2 a n / (R peak), (W_dense / tp + W_experts / R + cache / R) / bandwidth)
/// a: parameters that a token visits, n: sequences, R: ranks; W_experts of those that n tokens touch where choices are
/// even: E (1 - (1 - k / E)^n).
Seconds flops_and_bytes(const Plan& plan);

}  // namespace moesaic::experiments
