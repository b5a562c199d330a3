#include "core/schema/routing_draws.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/schema/hash.h"

namespace moesaic {
namespace {

// Keys of what is drawn, apart from each other: ASCII of "route", "drift" and "choose".
constexpr uint64_t kRows = 0x726F757465, kDrift = 0x6472696674, kChoices = 0x63686F6F7365;

/// Uniform in [0, 1): the upper 53 bits of a hash.
double unit_interval(uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

uint64_t key_of(uint64_t seed, uint64_t what, std::initializer_list<int64_t> indices) {
  uint64_t key = splitmix64(seed ^ what);
  for (const int64_t index : indices) key = splitmix64(key ^ static_cast<uint64_t>(index));
  return key;
}

/// Draws one after the other.
struct Stream {
  uint64_t key, drawn = 0;
  double next() { return unit_interval(splitmix64(key + drawn++)); }
};

/// Standard normal, of two uniform draws (Box and Muller, Ann. Math. Stat. 29, 1958).
double normal(Stream stream) {
  const double radius = std::sqrt(-2 * std::log(1 - stream.next()));
  return radius * std::cos(2 * std::numbers::pi * stream.next());
}

/// [num_experts]: the expert of each popularity rank of a layer.
std::vector<int32_t> expert_of_rank(uint64_t seed, int64_t num_experts, int64_t moe_layer) {
  std::vector<int32_t> experts(static_cast<size_t>(num_experts));
  std::iota(experts.begin(), experts.end(), 0);
  const uint64_t key = splitmix64(splitmix64(seed) ^ static_cast<uint64_t>(moe_layer));
  for (size_t last = experts.size(); last > 1; --last)  // Fisher-Yates
    std::swap(experts[last - 1], experts[splitmix64(key + last) % last]);
  return experts;
}

std::vector<double> sums_of(const std::vector<double>& popularity) {
  std::vector<double> cumulative(popularity.size());
  std::partial_sum(popularity.begin(), popularity.end(), cumulative.begin());
  cumulative.back() = 1;  // draws are below 1, whatever the rounding of the sum
  return cumulative;
}

size_t drawn_from(const std::vector<double>& cumulative, double draw) {
  return static_cast<size_t>(std::upper_bound(cumulative.begin(), cumulative.end(), draw) - cumulative.begin());
}

/// One expert that is not taken, by popularity among those.
class OtherExpert {
 public:
  explicit OtherExpert(std::vector<double> popularity)
      : popularity_(std::move(popularity)), cumulative_(sums_of(popularity_)) {}

  size_t draw(Stream& stream, const std::vector<bool>& taken) const {
    constexpr int kTries = 8;  // then what is left is cheaper to look through than to hit
    for (int i = 0; i < kTries; ++i)
      if (const size_t expert = drawn_from(cumulative_, stream.next()); !taken[expert]) return expert;
    double left = 0;
    for (size_t e = 0; e < taken.size(); ++e) left += taken[e] ? 0 : popularity_[e];
    double draw = stream.next() * left;
    size_t last = 0;
    for (size_t e = 0; e < taken.size(); ++e) {
      if (taken[e]) continue;
      last = e;
      if (draw < popularity_[e]) break;
      draw -= popularity_[e];
    }
    return last;
  }

 private:
  std::vector<double> popularity_, cumulative_;
};

}  // namespace

RoutingDraws::RoutingDraws(const RoutingGenerator& generator, int64_t num_experts)
    : generator_(generator), num_experts_(num_experts) {}

/// log_factors: [num_experts] by popularity rank, or empty for zeros.
std::vector<double> RoutingDraws::weights(int64_t moe_layer, const std::vector<double>& log_factors) const {
  const std::vector<int32_t> experts = expert_of_rank(generator_.seed, num_experts_, moe_layer);
  std::vector<double> weights(experts.size());
  double sum = 0;
  for (size_t rank = 0; rank < weights.size(); ++rank) {
    double weight = std::pow(static_cast<double>(rank + 1), -generator_.zipf_exponent);
    if (!log_factors.empty()) weight *= std::exp(log_factors[rank]);
    weights[static_cast<size_t>(experts[rank])] = weight;
    sum += weight;
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

std::vector<double> RoutingDraws::lasting_popularity(int64_t moe_layer) const { return weights(moe_layer, {}); }

std::vector<double> RoutingDraws::popularity(int64_t iteration, int64_t moe_layer) const {
  return generator_.drift.sigma > 0 ? weights(moe_layer, drift(iteration, moe_layer)) : lasting_popularity(moe_layer);
}

const std::vector<double>& RoutingDraws::drift(int64_t iteration, int64_t moe_layer) const {
  Drifted& known = drifted_[moe_layer];
  if (known.iteration > iteration) known = {};
  const auto [rho, sigma] = generator_.drift;
  while (known.iteration < iteration) {
    ++known.iteration;
    known.x.resize(static_cast<size_t>(num_experts_));
    const double old = known.iteration == 0 ? 0 : rho, fresh = std::sqrt(1 - old * old) * sigma;
    for (int64_t rank = 0; rank < num_experts_; ++rank) {
      double& x = known.x[static_cast<size_t>(rank)];
      x = old * x + fresh * normal({key_of(generator_.seed, kDrift, {known.iteration, moe_layer, rank})});
    }
  }
  return known.x;
}

std::vector<int64_t> RoutingDraws::rows(int64_t iteration, int64_t moe_layer, int64_t source,
                                        int64_t assignments) const {
  const std::vector<double> cumulative = sums_of(popularity(iteration, moe_layer));
  Stream stream{key_of(generator_.seed, kRows, {iteration, moe_layer, source})};
  std::vector<int64_t> drawn(cumulative.size());
  for (int64_t i = 0; i < assignments; ++i) ++drawn[drawn_from(cumulative, stream.next())];
  return drawn;
}

std::vector<int32_t> RoutingDraws::successors(int64_t layer, int64_t later) const {
  const std::vector<int32_t> own = expert_of_rank(generator_.seed, num_experts_, layer),
                             last = expert_of_rank(generator_.seed, num_experts_, later);
  std::vector<int32_t> successor(own.size());
  for (size_t rank = 0; rank < own.size(); ++rank) successor[static_cast<size_t>(own[rank])] = last[rank];
  return successor;
}

/// A token's choices were drawn in the last layer where it did not follow, and went from successor to successor since.
std::vector<int32_t> RoutingDraws::choices(int64_t iteration, int64_t moe_layer, int64_t source, int64_t tokens,
                                           int64_t top_k) const {
  struct Origin {
    OtherExpert other;
    std::vector<int32_t> successor;  // in moe_layer
  };
  std::map<int64_t, Origin> origins;  // by layer
  std::vector<bool> taken(static_cast<size_t>(num_experts_));
  std::vector<size_t> own;
  std::vector<int32_t> choices;
  choices.reserve(static_cast<size_t>(tokens * top_k));
  for (int64_t token = 0; token < tokens; ++token) {
    const auto stream_of = [&](int64_t layer) {
      return Stream{key_of(generator_.seed, kChoices, {iteration, source, layer, token})};
    };
    int64_t layer = moe_layer;
    Stream stream = stream_of(layer);
    while (stream.next() < generator_.affinity && layer > 0) stream = stream_of(--layer);
    auto origin = origins.find(layer);
    if (origin == origins.end())
      origin =
          origins.emplace(layer, Origin{OtherExpert(popularity(iteration, layer)), successors(layer, moe_layer)}).first;
    own.clear();
    for (int64_t i = 0; i < top_k; ++i) {
      own.push_back(origin->second.other.draw(stream, taken));
      taken[own.back()] = true;
    }
    for (const size_t expert : own) {
      taken[expert] = false;
      choices.push_back(origin->second.successor[expert]);
    }
  }
  return choices;
}

std::vector<double> inclusion(const std::vector<double>& popularity, int64_t top_k) {
  if (top_k >= static_cast<int64_t>(popularity.size())) return std::vector<double>(popularity.size(), 1.0);
  const auto arrived = [&](double time) {
    std::vector<double> share;
    for (const double rate : popularity) share.push_back(-std::expm1(-time * rate));
    return share;
  };
  const auto number = [&](double time) {
    const std::vector<double> share = arrived(time);
    return std::accumulate(share.begin(), share.end(), 0.0);
  };
  const auto wanted = static_cast<double>(top_k);
  double early = 0, late = 1;
  while (number(late) < wanted && late < 0x1p200) late *= 2;
  constexpr int kHalvings = 60;  // to the last bits of a double
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (early + late) / 2;
    (number(middle) < wanted ? early : late) = middle;
  }
  return arrived(late);
}

}  // namespace moesaic
