#include "core/schema/routing_choices_document.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/schema/model_limits.h"

namespace moesaic {
namespace {

constexpr IntegerRange kTokens{0, 1 << 30};  // of one source in one iteration

std::string number_of(int64_t count, const char* what) { return std::to_string(count) + " " + what; }

/// The list has this many entries; 0: any number but none, which `size` is from now on.
void expect_size(const Field& list, int64_t& size, const char* what) {
  const auto own = static_cast<int64_t>(list.size());
  if (own == 0) list.refuse("is an empty list", size > 0 ? number_of(size, what) : what);
  if (size == 0) size = own;
  if (own != size) list.refuse("has " + number_of(own, what), std::to_string(size));
}

void read_tokens(const Field& iterations, RoutingDocument& routing, RoutingChoices& choices) {
  expect_size(iterations, routing.num_iterations, "iterations");
  for (size_t iteration = 0; iteration < iterations.size(); ++iteration) {
    const Field sources = iterations[iteration];
    expect_size(sources, routing.num_sources, "sources");
    for (const int64_t tokens : sources.integers(kTokens)) choices.tokens.push_back(tokens);
  }
}

/// One token's experts in one layer.
void read_experts(const Field& list, int64_t num_experts, RoutingChoices& choices) {
  expect_size(list, choices.top_k, "experts of a token");
  const auto first = static_cast<int64_t>(choices.experts.size());
  for (const int64_t expert : list.integers({RoutingChoices::kDropped, num_experts - 1})) {
    const auto before = choices.experts.begin() + first;
    if (expert != RoutingChoices::kDropped && std::find(before, choices.experts.end(), expert) != choices.experts.end())
      list.refuse("names expert " + std::to_string(expert) + " twice", "different experts",
                  "a token has one row for an expert; add up what it counts for");
    choices.experts.push_back(static_cast<int32_t>(expert));
  }
}

void read_scores(const Field& list, int64_t top_k, RoutingChoices& choices) {
  expect_size(list, top_k, "scores of a token");
  constexpr double kMost = std::numeric_limits<float>::max();
  constexpr NumberRange kFloats{-kMost, kMost};
  for (const double score : list.numbers(kFloats)) choices.scores.push_back(static_cast<float>(score));
}

/// [tokens, moe layers] lists, of each of which `read` reads one.
template <typename Read>
void read_of_tokens(const Field& tokens, int64_t num_tokens, int64_t& num_layers, Read read) {
  if (static_cast<int64_t>(tokens.size()) != num_tokens)
    tokens.refuse("has " + number_of(static_cast<int64_t>(tokens.size()), "tokens"),
                  std::to_string(num_tokens) + ", the sum of \"tokens\" beside it");
  for (size_t token = 0; token < tokens.size(); ++token) {
    const Field layers = tokens[token];
    expect_size(layers, num_layers, "MoE layers");
    for (size_t layer = 0; layer < layers.size(); ++layer) read(layers[layer]);
  }
}

void check_counts(const std::vector<int64_t>& implied, const Field& counts, const RoutingDocument& routing) {
  const auto [own, other] = std::mismatch(routing.counts.begin(), routing.counts.end(), implied.begin());
  if (own == routing.counts.end()) return;
  const int64_t at = own - routing.counts.begin(), of_layer = routing.num_sources * routing.num_experts;
  const int64_t row = at / of_layer;
  counts[static_cast<size_t>(row / routing.num_moe_layers)][static_cast<size_t>(row % routing.num_moe_layers)]
        [static_cast<size_t>(at % of_layer / routing.num_experts)][static_cast<size_t>(at % routing.num_experts)]
            .refuse("is " + std::to_string(*own), std::to_string(*other) + ", as many as the choices",
                    "leave counts out: they follow from choices");
}

/// As with counts alone, no layer of no iteration is without rows.
void check_rows(const std::vector<int64_t>& counts, const Field& experts, const RoutingDocument& routing) {
  const int64_t of_layer = routing.num_sources * routing.num_experts;
  for (auto row = counts.begin(); row != counts.end(); row += of_layer)
    if (std::all_of(row, row + of_layer, [](int64_t rows) { return rows == 0; }))
      experts.refuse("routes no rows at all in iteration " +
                         std::to_string((row - counts.begin()) / (of_layer * routing.num_moe_layers)) + ", MoE layer " +
                         std::to_string((row - counts.begin()) / of_layer % routing.num_moe_layers),
                     "a row in every layer of every iteration", "leave this iteration out");
}

/// Of a list [tokens, moe layers, top_k].
template <typename Value, typename Write>
Json by_token(const std::vector<Value>& values, int64_t num_layers, int64_t top_k, Write write) {
  Json tokens = Json::array();
  for (auto value = values.begin(); value != values.end();) {
    Json layers = Json::array();
    for (int64_t layer = 0; layer < num_layers; ++layer) {
      Json own = Json::array();
      for (int64_t i = 0; i < top_k; ++i) own.push_back(write(*value++));
      layers.push_back(std::move(own));
    }
    tokens.push_back(std::move(layers));
  }
  return tokens;
}

/// The double with the fewest digits that is this float once rounded: 0.1, not 0.10000000149.
double shortest(float value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  double number = 0;
  std::from_chars(text, end, number);
  return number;
}

}  // namespace

void read_choices(const Field& choices, const Field& counts, RoutingDocument& routing) {
  ObjectReader reader = choices.object();
  const Field num_experts = reader["num_experts"], tokens = reader["tokens"], experts = reader["experts"],
              scores = reader["scores"];
  reader.finish();
  const int64_t all_experts = num_experts.integer(kExperts);
  if (counts.present() && all_experts != routing.num_experts)
    num_experts.refuse("is " + std::to_string(all_experts), std::to_string(routing.num_experts) + " as in the counts");
  routing.num_experts = all_experts;
  auto read = std::make_shared<RoutingChoices>();
  read_tokens(tokens, routing, *read);
  const int64_t num_tokens = first_tokens(*read).back();
  if (num_tokens == 0) experts.refuse("routes no rows at all", "a token at least");
  read_of_tokens(experts, num_tokens, routing.num_moe_layers,
                 [&](const Field& list) { read_experts(list, all_experts, *read); });
  if (scores.present())
    read_of_tokens(scores, num_tokens, routing.num_moe_layers,
                   [&](const Field& list) { read_scores(list, read->top_k, *read); });
  if (has_too_many_counts(routing.shape()))
    choices.refuse("is about more than " + std::to_string(kMostCounts) + " rows per expert",
                   "fewer iterations, MoE layers, sources and experts");
  std::vector<int64_t> implied = counts_of(*read, routing.shape());
  if (counts.present()) check_counts(implied, counts, routing);
  check_rows(implied, experts, routing);
  routing.counts = std::move(implied);
  routing.choices = std::move(read);
}

Json write_choices(const RoutingDocument& routing) {
  const RoutingChoices& choices = *routing.choices;
  Json tokens = Json::array();
  for (auto row = choices.tokens.begin(); row != choices.tokens.end(); row += routing.num_sources)
    tokens.push_back(Json(std::vector<int64_t>(row, row + routing.num_sources)));
  Json json = {{"num_experts", routing.num_experts},
               {"tokens", std::move(tokens)},
               {"experts", by_token(choices.experts, routing.num_moe_layers, choices.top_k,
                                    [](int32_t expert) { return expert; })}};
  if (!choices.scores.empty())
    json["scores"] = by_token(choices.scores, routing.num_moe_layers, choices.top_k, shortest);
  return json;
}

}  // namespace moesaic
