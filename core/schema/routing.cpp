#include "core/schema/routing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/schema/error.h"

namespace moesaic {
namespace {

/// Indices below `size` in an order of which every run of consecutive ones is spread over all of them: by the bits of a
/// counter reversed (van der Corput 1935).
std::vector<int64_t> spread_order(int64_t size) {
  int bits = 0;
  while ((int64_t{1} << bits) < size) ++bits;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < int64_t{1} << bits; ++i) {
    int64_t reversed = 0;
    for (int bit = 0; bit < bits; ++bit) reversed |= (i >> bit & 1) << (bits - 1 - bit);
    if (reversed < size) order.push_back(reversed);
  }
  return order;
}

/// Splits `total` in proportion to `weights` so that the parts sum to it exactly. Equal remainders go round by source,
/// so that sources with equal weights do not all favour the same experts: in the order of experts, or `spread` over
/// all.
std::vector<int64_t> largest_remainder(const std::vector<double>& weights, int64_t total, int64_t source, bool spread) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const auto size = static_cast<int64_t>(weights.size());
  std::vector<int64_t> parts(weights.size());
  std::vector<int64_t> remainders(weights.size());  // in units of 2^-30, so that rounding noise does not break ties
  int64_t left = total;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double share = static_cast<double>(total) * (weights[i] / sum);
    parts[i] = std::min(static_cast<int64_t>(std::floor(share)), left);
    remainders[i] = std::llround((share - std::floor(share)) * 0x1p30);
    left -= parts[i];
  }
  std::vector<int64_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  if (spread) order = spread_order(size);
  std::rotate(order.begin(), order.begin() + (source % size) * (left % size) % size, order.end());
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return remainders[static_cast<size_t>(a)] > remainders[static_cast<size_t>(b)];
  });
  for (int64_t i = 0; i < left; ++i) ++parts[static_cast<size_t>(order[static_cast<size_t>(i % size)])];
  return parts;
}

}  // namespace

void check_recorded_shape(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_experts,
                          const std::string& file, const std::string& pointer) {
  if (!document.recorded() || (document.num_moe_layers == num_moe_layers && document.num_experts == num_experts))
    return;
  throw InputError(file, pointer,
                   "was recorded with " + std::to_string(document.num_moe_layers) + " MoE layers of " +
                       std::to_string(document.num_experts) + " experts",
                   std::to_string(num_moe_layers) + " MoE layers of " + std::to_string(num_experts) + " experts",
                   "take a recording of this model, or a generator");
}

Routing::Routing(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_sources, int64_t num_experts,
                 int64_t assignments_per_source, int64_t top_k)
    : Routing(document, num_moe_layers, num_sources, num_experts,
              std::vector<int64_t>(static_cast<size_t>(std::max<int64_t>(num_sources, 0)), assignments_per_source),
              top_k) {}

Routing::Routing(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_sources, int64_t num_experts,
                 std::vector<int64_t> assignments, int64_t top_k)
    : document_(document),
      num_moe_layers_(num_moe_layers),
      num_sources_(num_sources),
      num_experts_(num_experts),
      assignments_(std::move(assignments)),
      top_k_(top_k),
      draws_(document.generator, num_experts) {
  MOESAIC_CHECK(num_moe_layers >= 0 && num_sources > 0 && num_experts > 0 && top_k >= 0 &&
                    static_cast<int64_t>(assignments_.size()) == num_sources &&
                    std::all_of(assignments_.begin(), assignments_.end(), [](int64_t rows) { return rows >= 0; }),
                "routing needs sources and experts");
  if (draws_choices()) check_draws();
  check_recorded_shape(document, num_moe_layers, num_experts, "routing " + document.name, "/counts");
  if (!document.recorded()) return;
  choices_fit_ = recorded_choices_fit();
  if (choices_fit_) first_token_ = first_tokens(*document_.choices);
}

void Routing::check_draws() const {
  if (top_k_ > 0 && top_k_ <= num_experts_) return;
  throw InputError("routing " + document_.name, "/generator/affinity",
                   "draws the experts of every token, and how many each takes of " + std::to_string(num_experts_) +
                       " is not known here",
                   "rows per expert", "leave affinity out");
}

bool Routing::recorded_choices_fit() const {
  if (document_.choices == nullptr || document_.choices->top_k != top_k_ || document_.num_sources != num_sources_)
    return false;
  const std::vector<int64_t>& tokens = document_.choices->tokens;
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] * top_k_ != assignments_[i % assignments_.size()]) return false;
  return true;
}

int64_t Routing::period() const {
  if (document_.recorded()) return document_.num_iterations;
  return document_.generator.varies() ? 0 : 1;
}

int64_t Routing::phase_of(int64_t iteration, int64_t moe_layer, int64_t source) const {
  MOESAIC_CHECK(iteration >= 0 && moe_layer >= 0 && moe_layer < num_moe_layers_ && source >= 0 && source < num_sources_,
                "routing index out of range");
  return same_as(iteration);
}

const std::vector<int64_t>& Routing::counts(int64_t iteration, int64_t moe_layer, int64_t source) const {
  const int64_t phase = phase_of(iteration, moe_layer, source);
  auto [entry, is_new] = cache_.try_emplace({phase, moe_layer, source});
  if (is_new) entry->second = generate(phase, moe_layer, source);
  return entry->second;
}

std::vector<int32_t> Routing::choices(int64_t iteration, int64_t moe_layer, int64_t source) const {
  MOESAIC_CHECK(has_choices(), "nobody knows what tokens have chosen");
  const int64_t phase = phase_of(iteration, moe_layer, source);
  if (draws_choices())
    return draws_.choices(phase, moe_layer, source, assignments_[static_cast<size_t>(source)] / top_k_, top_k_);
  const auto row = static_cast<size_t>(phase * num_sources_ + source);
  std::vector<int32_t> chosen;
  for (int64_t token = first_token_[row]; token < first_token_[row + 1]; ++token) {
    const auto own = document_.choices->experts.begin() + (token * num_moe_layers_ + moe_layer) * top_k_;
    chosen.insert(chosen.end(), own, own + top_k_);
  }
  return chosen;
}

std::vector<double> Routing::weights(int64_t iteration, int64_t moe_layer, int64_t source) const {
  if (!document_.recorded()) return draws_.popularity(iteration, moe_layer);
  std::vector<double> own(static_cast<size_t>(num_experts_)), all(own);
  const int64_t first_row = (iteration * num_moe_layers_ + moe_layer) * document_.num_sources;
  for (int64_t row = 0; row < document_.num_sources; ++row) {
    for (int64_t expert = 0; expert < num_experts_; ++expert) {
      const auto count =
          static_cast<double>(document_.counts[static_cast<size_t>((first_row + row) * num_experts_ + expert)]);
      all[static_cast<size_t>(expert)] += count;
      if (row == source) own[static_cast<size_t>(expert)] = count;
    }
  }
  const bool own_row_serves = document_.num_sources == num_sources_ &&
                              std::any_of(own.begin(), own.end(), [](double count) { return count > 0; });
  return own_row_serves ? own : all;
}

std::vector<int64_t> Routing::generate(int64_t iteration, int64_t moe_layer, int64_t source) const {
  const int64_t rows = assignments_[static_cast<size_t>(source)];
  if (has_choices()) {
    std::vector<int64_t> counted(static_cast<size_t>(num_experts_), 0);
    for (const int32_t expert : choices(iteration, moe_layer, source))
      if (expert != RoutingChoices::kDropped) ++counted[static_cast<size_t>(expert)];
    return counted;
  }
  if (!document_.recorded() && document_.generator.sampled) return draws_.rows(iteration, moe_layer, source, rows);
  // Where all rows together are fewer than the experts, those of neighbours would leave whole ranks without any.
  const bool few = std::accumulate(assignments_.begin(), assignments_.end(), int64_t{0}) < num_experts_;
  return largest_remainder(weights(iteration, moe_layer, source), rows, source, few);
}

/// Of a generator that never repeats.
std::vector<double> Routing::expected_load(int64_t moe_layer) const {
  std::vector<double> load = draws_.lasting_popularity(moe_layer);
  auto all = static_cast<double>(std::accumulate(assignments_.begin(), assignments_.end(), int64_t{0}));
  if (draws_choices()) load = inclusion(load, top_k_), all /= static_cast<double>(top_k_);
  for (double& rows : load) rows *= all;
  return load;
}

std::vector<double> Routing::mean_load(int64_t moe_layer) const {
  if (period() == 0) return expected_load(moe_layer);
  std::vector<double> load(static_cast<size_t>(num_experts_));
  for (int64_t iteration = 0; iteration < period(); ++iteration) {
    for (int64_t source = 0; source < num_sources_; ++source) {
      const std::vector<int64_t>& row = counts(iteration, moe_layer, source);
      for (size_t expert = 0; expert < load.size(); ++expert) load[expert] += static_cast<double>(row[expert]);
    }
  }
  for (double& rows : load) rows /= static_cast<double>(period());
  return load;
}

}  // namespace moesaic
