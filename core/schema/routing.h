#pragma once
// How many rows each source rank sends to each expert. Either recorded counts or a generator that is evaluated on
// demand; nothing here chooses routes.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace moesaic {

/// Popularity of expert at popularity rank r (from 0): 1 / (r + 1)^zipf_exponent, normalised; each layer shuffles the
/// ranks by its seed.
struct RoutingGenerator {
  double zipf_exponent = 0;  // 0: uniform in expectation
  uint64_t seed = 0;
  /// True: multinomial draws, as a router makes them. False: expectation rounded by largest remainder, the same every
  /// iteration.
  bool sampled = false;
  bool operator==(const RoutingGenerator&) const = default;
};

/// A routing document: `counts` when recorded (counts_shape is [iteration, moe layer, source rank, expert]), else the
/// generator.
struct RoutingDocument {
  std::string name;
  RoutingGenerator generator;
  std::vector<int64_t> counts;
  int64_t num_iterations = 0, num_moe_layers = 0, num_sources = 0, num_experts = 0;
  bool recorded() const { return !counts.empty(); }
  bool operator==(const RoutingDocument&) const = default;
};

/// The recording with that step first, so that it is bound first; the steps before it follow the last one, as
/// iterations wrap around.
RoutingDocument beginning_at(const RoutingDocument& recorded, int64_t step, int micro_batches);

/// Binds a routing document to a shape. Iteration counts microbatches: step * micro_batches + microbatch.
/// Rows are memoised behind const: each thread takes its own copy.
class Routing {
 public:
  /// `assignments_per_source` = tokens of one microbatch on one rank * top_k: what a generated row of counts sums to.
  /// One number for all sources, or one each: [num_sources].
  /// Recorded counts of another number of sources or another batch are summed and rescaled (largest remainder);
  /// iterations wrap around.
  Routing(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_sources, int64_t num_experts,
          int64_t assignments_per_source);
  Routing(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_sources, int64_t num_experts,
          std::vector<int64_t> assignments);

  /// Rows that source sends to each expert: [num_experts]. The same arguments give the same counts.
  const std::vector<int64_t>& counts(int64_t iteration, int64_t moe_layer, int64_t source) const;

  /// Mean over sources and recorded iterations: expected rows per expert of one microbatch over all sources,
  /// [num_experts].
  std::vector<double> mean_load(int64_t moe_layer) const;

  int64_t num_sources() const { return num_sources_; }
  int64_t num_experts() const { return num_experts_; }

 private:
  int64_t period() const;  // iterations after which rows repeat; 0: never
  std::vector<int64_t> generate(int64_t iteration, int64_t moe_layer, int64_t source) const;
  std::vector<int64_t> sample(int64_t iteration, int64_t moe_layer, int64_t source) const;
  std::vector<double> weights(int64_t iteration, int64_t moe_layer, int64_t source) const;

  RoutingDocument document_;
  int64_t num_moe_layers_, num_sources_, num_experts_;
  std::vector<int64_t> assignments_;  // [num_sources]
  mutable std::map<std::array<int64_t, 3>, std::vector<int64_t>>
      cache_;  // by (iteration, layer, source); references stay valid
};

}  // namespace moesaic
