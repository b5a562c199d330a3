// The routing document: a generator, or counts [iteration, moe layer, source rank, expert], choices of tokens, or both.

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/model_limits.h"
#include "core/schema/object_reader.h"
#include "core/schema/routing_choices_document.h"

namespace moesaic {
namespace {

/// sigma: exp(8) = 2981 times as popular at one standard deviation.
RoutingDrift read_drift(ObjectReader reader) {
  RoutingDrift drift;
  drift.rho = reader["rho"].number({0, 1});
  drift.sigma = reader["sigma"].number({0, 8});
  reader.finish();
  return drift;
}

RoutingGenerator read_generator(ObjectReader reader) {
  RoutingGenerator generator;
  generator.zipf_exponent = reader["zipf_exponent"].number({0, 16});
  generator.seed = reader["seed"].seed(0);
  generator.sampled = reader["sampled"].boolean(false);
  const Field affinity = reader["affinity"], drift = reader["drift"];
  generator.affinity = affinity.number({0, 1}, 0);
  if (generator.affinity > 0 && !generator.sampled)
    affinity.refuse("draws tokens one by one, and \"sampled\" is false", "\"sampled\": true",
                    "add it, or leave affinity out");
  if (drift.present()) generator.drift = read_drift(drift.object());
  reader.finish();
  return generator;
}

/// All lists of one level have equal length.
int64_t same_size(const Field& list, int64_t& size) {
  const auto own = static_cast<int64_t>(list.size());
  if (own == 0) list.refuse("is an empty list");
  if (size == 0) size = own;
  if (size != own)
    list.refuse("has " + std::to_string(own) + " entries", std::to_string(size) + " as in the lists beside it");
  return own;
}

void read_layer(const Field& sources, RoutingDocument& routing) {
  int64_t sum = 0;
  const int64_t num_sources = same_size(sources, routing.num_sources);
  for (int64_t source = 0; source < num_sources; ++source) {
    const Field experts = sources[static_cast<size_t>(source)];
    const int64_t num_experts = same_size(experts, routing.num_experts);
    for (int64_t expert = 0; expert < num_experts; ++expert) {
      routing.counts.push_back(experts[static_cast<size_t>(expert)].integer(kRoutedRows));
      sum += routing.counts.back();
    }
  }
  if (sum == 0) sources.refuse("routes no rows at all", "a count above 0 in every layer");
}

void read_counts(const Field& iterations, RoutingDocument& routing) {
  const int64_t num_iterations = same_size(iterations, routing.num_iterations);
  for (int64_t iteration = 0; iteration < num_iterations; ++iteration) {
    const Field layers = iterations[static_cast<size_t>(iteration)];
    const int64_t num_layers = same_size(layers, routing.num_moe_layers);
    for (int64_t layer = 0; layer < num_layers; ++layer) read_layer(layers[static_cast<size_t>(layer)], routing);
  }
}

Json write_generator(const RoutingGenerator& generator) {
  Json json = {{"zipf_exponent", generator.zipf_exponent}, {"seed", generator.seed}, {"sampled", generator.sampled}};
  if (generator.affinity > 0) json["affinity"] = generator.affinity;
  if (generator.drift != RoutingDrift())
    json["drift"] = {{"rho", generator.drift.rho}, {"sigma", generator.drift.sigma}};
  return json;
}

Json write_counts(const RoutingDocument& routing) {
  Json iterations = Json::array();
  auto count = routing.counts.begin();
  for (int64_t iteration = 0; iteration < routing.num_iterations; ++iteration) {
    Json layers = Json::array();
    for (int64_t layer = 0; layer < routing.num_moe_layers; ++layer) {
      Json sources = Json::array();
      for (int64_t source = 0; source < routing.num_sources; ++source) {
        sources.push_back(Json(std::vector<int64_t>(count, count + routing.num_experts)));
        count += routing.num_experts;
      }
      layers.push_back(std::move(sources));
    }
    iterations.push_back(std::move(layers));
  }
  return iterations;
}

}  // namespace

RoutingDocument read_routing(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader reader = open_document(json, file, pointer, "routing");
  RoutingDocument routing;
  routing.name = reader["name"].text("");
  const Field counts = reader["counts"];
  const Field choices = reader["choices"];
  const Field generator = reader["generator"];
  reader.finish();
  for (const Field& recorded : {counts, choices})
    if (recorded.present() && generator.present()) recorded.refuse("stands beside a generator", "one of the two");
  if (counts.present()) read_counts(counts, routing);
  if (choices.present()) read_choices(choices, counts, routing);
  if (!counts.present() && !choices.present()) {
    routing.generator = read_generator(generator.object());
  }
  return routing;
}

Json write_routing(const RoutingDocument& routing) {
  Json json = {{"kind", "moesaic.routing/1"}, {"name", routing.name}};
  if (routing.recorded()) {
    json["counts"] = write_counts(routing);
    if (routing.choices != nullptr) json["choices"] = write_choices(routing);
  } else {
    json["generator"] = write_generator(routing.generator);
  }
  return json;
}

}  // namespace moesaic
