#include "core/schema/routing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/schema/error.h"
#include "core/schema/hash.h"

namespace moesaic {
namespace {

/// Uniform in [0, 1): the upper 53 bits of a hash.
double unit_interval(uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

/// Popularity of every expert of one layer: [num_experts], sums to 1.
std::vector<double> popularity(const RoutingGenerator& generator, int64_t num_experts, int64_t moe_layer) {
  std::vector<int64_t> expert_of_rank(static_cast<size_t>(num_experts));
  std::iota(expert_of_rank.begin(), expert_of_rank.end(), 0);
  const uint64_t key = splitmix64(splitmix64(generator.seed) ^ static_cast<uint64_t>(moe_layer));
  for (size_t last = expert_of_rank.size(); last > 1; --last) {  // Fisher-Yates
    std::swap(expert_of_rank[last - 1], expert_of_rank[splitmix64(key + last) % last]);
  }
  std::vector<double> weights(expert_of_rank.size());
  double sum = 0;
  for (size_t rank = 0; rank < weights.size(); ++rank) {
    const double weight = std::pow(static_cast<double>(rank + 1), -generator.zipf_exponent);
    weights[static_cast<size_t>(expert_of_rank[rank])] = weight;
    sum += weight;
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

/// Splits `total` in proportion to `weights` so that the parts sum to it exactly. Equal remainders go round by source,
/// so that sources with equal weights do not all favour the same experts.
std::vector<int64_t> largest_remainder(const std::vector<double>& weights, int64_t total, int64_t source) {
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
  std::rotate(order.begin(), order.begin() + (source % size) * (left % size) % size, order.end());
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return remainders[static_cast<size_t>(a)] > remainders[static_cast<size_t>(b)];
  });
  for (int64_t i = 0; i < left; ++i) ++parts[static_cast<size_t>(order[static_cast<size_t>(i % size)])];
  return parts;
}

}  // namespace

RoutingDocument beginning_at(const RoutingDocument& recorded, int64_t step, int micro_batches) {
  RoutingDocument turned = recorded;
  if (!recorded.recorded()) return turned;
  const int64_t per_iteration = recorded.num_moe_layers * recorded.num_sources * recorded.num_experts;
  const int64_t first = step * micro_batches * per_iteration;
  MOESAIC_CHECK(first < static_cast<int64_t>(recorded.counts.size()), "the step was not recorded");
  std::rotate(turned.counts.begin(), turned.counts.begin() + first, turned.counts.end());
  return turned;
}

Routing::Routing(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_sources, int64_t num_experts,
                 int64_t assignments_per_source)
    : Routing(document, num_moe_layers, num_sources, num_experts,
              std::vector<int64_t>(static_cast<size_t>(std::max<int64_t>(num_sources, 0)), assignments_per_source)) {}

Routing::Routing(const RoutingDocument& document, int64_t num_moe_layers, int64_t num_sources, int64_t num_experts,
                 std::vector<int64_t> assignments)
    : document_(document),
      num_moe_layers_(num_moe_layers),
      num_sources_(num_sources),
      num_experts_(num_experts),
      assignments_(std::move(assignments)) {
  MOESAIC_CHECK(num_moe_layers >= 0 && num_sources > 0 && num_experts > 0 &&
                    static_cast<int64_t>(assignments_.size()) == num_sources &&
                    std::all_of(assignments_.begin(), assignments_.end(), [](int64_t rows) { return rows >= 0; }),
                "routing needs sources and experts");
  if (!document.recorded()) return;
  if (document.num_moe_layers != num_moe_layers || document.num_experts != num_experts) {
    throw InputError("routing " + document.name, "/counts",
                     "was recorded with " + std::to_string(document.num_moe_layers) + " MoE layers of " +
                         std::to_string(document.num_experts) + " experts",
                     std::to_string(num_moe_layers) + " MoE layers of " + std::to_string(num_experts) + " experts",
                     "take a recording of this model, or a generator");
  }
}

int64_t Routing::period() const {
  if (document_.recorded()) return document_.num_iterations;
  return document_.generator.sampled ? 0 : 1;
}

const std::vector<int64_t>& Routing::counts(int64_t iteration, int64_t moe_layer, int64_t source) const {
  MOESAIC_CHECK(iteration >= 0 && moe_layer >= 0 && moe_layer < num_moe_layers_ && source >= 0 && source < num_sources_,
                "routing index out of range");
  const int64_t phase = period() == 0 ? iteration : iteration % period();
  auto [entry, is_new] = cache_.try_emplace({phase, moe_layer, source});
  if (is_new) entry->second = generate(phase, moe_layer, source);
  return entry->second;
}

std::vector<double> Routing::weights(int64_t iteration, int64_t moe_layer, int64_t source) const {
  if (!document_.recorded()) return popularity(document_.generator, num_experts_, moe_layer);
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
  if (!document_.recorded() && document_.generator.sampled) return sample(iteration, moe_layer, source);
  return largest_remainder(weights(iteration, moe_layer, source), assignments_[static_cast<size_t>(source)], source);
}

std::vector<int64_t> Routing::sample(int64_t iteration, int64_t moe_layer, int64_t source) const {
  std::vector<double> cumulative = popularity(document_.generator, num_experts_, moe_layer);
  std::partial_sum(cumulative.begin(), cumulative.end(), cumulative.begin());
  cumulative.back() = 1;  // draws are below 1, whatever the rounding of the sum
  uint64_t key = splitmix64(document_.generator.seed ^ 0x726F757465);  // apart from the key of the shuffle
  for (const int64_t index : {iteration, moe_layer, source}) key = splitmix64(key ^ static_cast<uint64_t>(index));
  std::vector<int64_t> drawn(cumulative.size());
  for (int64_t i = 0; i < assignments_[static_cast<size_t>(source)]; ++i) {
    const double draw = unit_interval(splitmix64(key + static_cast<uint64_t>(i)));
    ++drawn[static_cast<size_t>(std::upper_bound(cumulative.begin(), cumulative.end(), draw) - cumulative.begin())];
  }
  return drawn;
}

std::vector<double> Routing::mean_load(int64_t moe_layer) const {
  std::vector<double> load(static_cast<size_t>(num_experts_));
  if (period() == 0) {
    load = popularity(document_.generator, num_experts_, moe_layer);
    const int64_t all = std::accumulate(assignments_.begin(), assignments_.end(), int64_t{0});
    for (double& rows : load) rows *= static_cast<double>(all);
    return load;
  }
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
