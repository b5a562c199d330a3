#pragma once
// Parameters of synthetic routing. What is drawn from them is routing_draws.h.

#include <cstdint>

namespace moesaic {

/// AR(1) on the log popularity of every expert of every layer, in nats: popularity at iteration t is proportional to
/// 1 / (r + 1)^zipf_exponent * exp(x_t), with x_0 = sigma e_0, x_t = rho x_(t-1) + sqrt(1 - rho^2) sigma e_t, and e_t
/// standard normal by layer, expert and iteration. x_t keeps the standard deviation sigma; what it was n iterations
/// ago correlates with it by rho^n.
struct RoutingDrift {
  double rho = 0;    // [0, 1], per iteration (microbatch)
  double sigma = 0;  // nats; 0: no drift
  bool operator==(const RoutingDrift&) const = default;
};

/// Popularity of expert at popularity rank r (from 0): 1 / (r + 1)^zipf_exponent, normalised; each layer shuffles the
/// ranks by its seed.
struct RoutingGenerator {
  double zipf_exponent = 0;  // 0: uniform in expectation
  uint64_t seed = 0;
  /// True: multinomial draws, as a router makes them. False: expectation rounded by largest remainder, the same every
  /// iteration but for drift.
  bool sampled = false;
  /// Probability that a token's choices in a layer are the successors of those that it made in the MoE layer before;
  /// else it draws anew. An expert's successor is the one of the same popularity rank, so that without drift each layer
  /// by itself has the choices that it has without affinity. Above 0 every token draws its top_k experts without
  /// repetition, and rows per expert are counted from these draws; `sampled` is true. 0: all choices are independent.
  double affinity = 0;
  RoutingDrift drift = {};
  /// From iteration to iteration.
  bool varies() const { return sampled || drift.sigma > 0; }
  bool operator==(const RoutingGenerator&) const = default;
};

}  // namespace moesaic
