#pragma once
// How many rows each source rank sends to each expert, and where known which experts each token chose. Either recorded
// or a generator that is evaluated on demand; nothing here chooses routes.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/schema/routing_choices.h"
#include "core/schema/routing_draws.h"
#include "core/schema/routing_generator.h"

namespace moesaic {

/// A routing document: `counts` when recorded (counts_shape is [iteration, moe layer, source rank, expert]), else the
/// generator.
struct RoutingDocument {
  std::string name;
  RoutingGenerator generator;
  std::vector<int64_t> counts;
  int64_t num_iterations = 0, num_moe_layers = 0, num_sources = 0, num_experts = 0;
  /// What `counts` count; null: not known. Shared, as traces are large and plans are copied.
  std::shared_ptr<const RoutingChoices> choices = nullptr;
  RoutingShape shape() const { return {num_iterations, num_moe_layers, num_sources, num_experts}; }
  bool recorded() const { return !counts.empty(); }
  bool operator==(const RoutingDocument& other) const;
};

/// What a document says of routing, weakest first: each says all that those before it say.
enum class RoutingForm : uint8_t {
  generator,           // popularities
  counts,              // rows per expert of every iteration, of all sources together
  counts_by_source,    // of each source
  choices,             // the experts of every token
  choices_with_scores  // and how much each of them counts for it
};
const char* name_of(RoutingForm form);
/// The form of a document. One that draws choices (affinity) still is a generator: nobody has seen those tokens.
RoutingForm form_of(const RoutingDocument& document);
/// InputError, naming `reader` ("policy eplb"), for a document that says less than `weakest`.
void require_form(const RoutingDocument& document, RoutingForm weakest, const std::string& reader);

/// The recording with that step first, so that it is bound first; the steps before it follow the last one, as
/// iterations wrap around.
RoutingDocument beginning_at(const RoutingDocument& recorded, int64_t step, int micro_batches);
/// The recording without its first iterations, of which it has more.
RoutingDocument without_first(const RoutingDocument& recorded, int64_t iterations);

/// Refuses a recording of another model at this place of a file.
void check_recorded_shape(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_experts,
                          const std::string& file, const std::string& pointer);

/// Binds a routing document to a shape. Iteration counts microbatches: step * micro_batches + microbatch.
/// Rows and draws are memoised behind const: each thread takes its own copy.
class Routing {
 public:
  /// `assignments_per_source` = tokens of one microbatch on one rank * top_k: what a generated row of counts sums to.
  /// One number for all sources, or one each: [num_sources].
  /// Recorded counts of another number of sources or another batch are summed and rescaled (largest remainder);
  /// iterations wrap around. `top_k`: experts that a token chooses, of which rows per expert say nothing; 0: not known,
  /// and then neither are choices.
  Routing(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_sources, int64_t num_experts,
          int64_t assignments_per_source, int64_t top_k = 0);
  Routing(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_sources, int64_t num_experts,
          std::vector<int64_t> assignments, int64_t top_k = 0);

  /// Rows that source sends to each expert: [num_experts]. The same arguments give the same counts.
  const std::vector<int64_t>& counts(int64_t iteration, int64_t moe_layer, int64_t source) const;

  /// Whether the experts of every token are known: recorded of as many tokens of each of as many sources, or drawn
  /// token by token. Then counts() are those of choices().
  bool has_choices() const { return choices_fit_ || draws_choices(); }
  /// They: [tokens of the source, top_k], RoutingChoices::kDropped among them. Where has_choices().
  std::vector<int32_t> choices(int64_t iteration, int64_t moe_layer, int64_t source) const;

  /// Mean over sources and recorded iterations: expected rows per expert of one microbatch over all sources,
  /// [num_experts]. Of a generator with drift those of the popularities that it drifts around.
  std::vector<double> mean_load(int64_t moe_layer) const;

  /// The first iteration with the same rows as this one.
  int64_t same_as(int64_t iteration) const { return period() == 0 ? iteration : iteration % period(); }

  int64_t num_sources() const { return num_sources_; }
  int64_t num_experts() const { return num_experts_; }

 private:
  bool draws_choices() const { return !document_.recorded() && document_.generator.affinity > 0; }
  void check_draws() const;
  bool recorded_choices_fit() const;
  int64_t period() const;  // iterations after which rows repeat; 0: never
  int64_t phase_of(int64_t iteration, int64_t moe_layer, int64_t source) const;
  std::vector<int64_t> generate(int64_t iteration, int64_t moe_layer, int64_t source) const;
  std::vector<double> weights(int64_t iteration, int64_t moe_layer, int64_t source) const;
  std::vector<double> expected_load(int64_t moe_layer) const;

  RoutingDocument document_;
  int64_t num_moe_layers_, num_sources_, num_experts_;
  std::vector<int64_t> assignments_;  // [num_sources]
  int64_t top_k_;
  bool choices_fit_ = false;
  std::vector<int64_t> first_token_;  // [recorded iterations, sources]: in the recorded choices
  RoutingDraws draws_;
  mutable std::map<std::array<int64_t, 3>, std::vector<int64_t>>
      cache_;  // by (iteration, layer, source); references stay valid
};

}  // namespace moesaic
