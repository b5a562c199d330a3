#pragma once
// What a routing generator draws: popularities, rows per expert, and the experts of tokens one after the other. The
// same arguments give the same draws, in whatever order they are asked for.

#include <cstdint>
#include <map>
#include <vector>

#include "core/schema/routing_generator.h"

namespace moesaic {

/// Memoises behind const: each thread takes its own copy.
class RoutingDraws {
 public:
  RoutingDraws(const RoutingGenerator& generator, int64_t num_experts);

  /// Of every expert in one iteration: [num_experts], sums to 1.
  std::vector<double> popularity(int64_t iteration, int64_t moe_layer) const;
  /// What it drifts around.
  std::vector<double> lasting_popularity(int64_t moe_layer) const;

  /// Of `assignments` independent draws those of every expert: [num_experts].
  std::vector<int64_t> rows(int64_t iteration, int64_t moe_layer, int64_t source, int64_t assignments) const;

  /// The experts of a source's tokens, RoutingGenerator::affinity: [tokens, top_k].
  std::vector<int32_t> choices(int64_t iteration, int64_t moe_layer, int64_t source, int64_t tokens,
                               int64_t top_k) const;

  /// [num_experts]: the expert of the same popularity rank of every expert of a layer, in a later one.
  std::vector<int32_t> successors(int64_t layer, int64_t later) const;

 private:
  std::vector<double> weights(int64_t moe_layer, const std::vector<double>& log_factors) const;
  const std::vector<double>& drift(int64_t iteration, int64_t moe_layer) const;

  RoutingGenerator generator_;
  int64_t num_experts_;
  struct Drifted {
    int64_t iteration = -1;
    std::vector<double> x;  // [num_experts], by popularity rank
  };
  mutable std::map<int64_t, Drifted> drifted_;  // by layer, the iteration that was asked for last
};

/// Of how many of a token's top_k draws without repetition each expert is one, [num_experts]; sums to top_k. With
/// arrival rates p_e the experts that have arrived by time c: 1 - exp(-c p_e), c such that top_k have (exponential
/// races draw so; that their time is fixed and not their number is exact for many experts, Rosen, J. Stat. Plan.
/// Inference 62, 1997).
std::vector<double> inclusion(const std::vector<double>& popularity, int64_t top_k);

}  // namespace moesaic
