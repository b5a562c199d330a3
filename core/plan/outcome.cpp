#include "core/plan/outcome.h"

#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

Alternative read_alternative(ObjectReader reader) {
  Alternative alternative;
  alternative.choice = reader["choice"].text();
  alternative.step_seconds = reader["step_seconds"].quantity("s", kNotNegative, 0);
  alternative.reason = reader["reason"].text("");
  reader.finish();
  return alternative;
}

Decision read_decision(ObjectReader reader) {
  Decision decision;
  decision.what = reader["what"].text();
  decision.choice = reader["choice"].text();
  if (const Field losers = reader["runners_up"]; losers.present())
    decision.runners_up = losers.objects(read_alternative);
  reader.finish();
  return decision;
}

}  // namespace

Prediction read_prediction(const Field& field) {
  Prediction prediction;
  if (!field.present()) return prediction;
  ObjectReader reader = field.object();
  prediction.step_seconds = reader["step_seconds"].quantity("s", kNotNegative, 0);
  prediction.tokens_per_second = reader["tokens_per_second"].number(kNotNegative, 0);
  prediction.lower_bound_seconds = reader["lower_bound_seconds"].quantity("s", kNotNegative, 0);
  prediction.layout_bound_seconds = reader["layout_bound_seconds"].quantity("s", kNotNegative, 0);
  prediction.gap = reader["gap"].number({-1, std::numeric_limits<double>::max()}, 0);
  prediction.exposed_communication_seconds = reader["exposed_communication_seconds"].quantity("s", kNotNegative, 0);
  prediction.bubble_seconds = reader["bubble_seconds"].quantity("s", kNotNegative, 0);
  prediction.exposed_transfer_seconds = reader["exposed_transfer_seconds"].quantity("s", kNotNegative, 0);
  if (const Field peaks = reader["peak_bytes"]; peaks.present()) {
    ObjectReader tiers = peaks.object();
    for (const char* tier : {"device", "host", "storage"}) {
      if (tiers[tier].present()) prediction.peak_bytes[tier] = tiers[tier].bytes(kBytesRange);
    }
    tiers.finish();
  }
  if (const Field path = reader["critical_path_seconds"]; path.present()) {
    ObjectReader resources = path.object();
    for (const auto& [resource, seconds] : resources.json().items())
      prediction.critical_path_seconds[resource] = resources[resource].number(kNotNegative);
  }
  prediction.tasks = reader["tasks"].integer(kNotNegativeCount, 0);
  prediction.made_for = reader["made_for"].text("");
  reader.finish();
  return prediction;
}

std::vector<Decision> read_decisions(const Field& field) {
  return field.present() ? field.objects(read_decision) : std::vector<Decision>{};
}

Json write_prediction(const Prediction& prediction) {
  Json peaks = Json::object();
  for (const auto& [tier, bytes] : prediction.peak_bytes) peaks[tier] = bytes;
  Json json = {{"step_seconds", prediction.step_seconds},
               {"tokens_per_second", prediction.tokens_per_second},
               {"exposed_communication_seconds", prediction.exposed_communication_seconds},
               {"peak_bytes", peaks},
               {"tasks", prediction.tasks}};
  if (prediction.bubble_seconds > 0) json["bubble_seconds"] = prediction.bubble_seconds;
  if (prediction.exposed_transfer_seconds > 0) json["exposed_transfer_seconds"] = prediction.exposed_transfer_seconds;
  if (prediction.lower_bound_seconds > 0) {
    json["lower_bound_seconds"] = prediction.lower_bound_seconds;
    json["gap"] = prediction.gap;
  }
  if (prediction.layout_bound_seconds > 0) json["layout_bound_seconds"] = prediction.layout_bound_seconds;
  if (!prediction.critical_path_seconds.empty()) json["critical_path_seconds"] = prediction.critical_path_seconds;
  if (!prediction.made_for.empty()) json["made_for"] = prediction.made_for;
  return json;
}

Json write_decisions(const std::vector<Decision>& decisions) {
  Json list = Json::array();
  for (const Decision& decision : decisions) {
    Json losers = Json::array();
    for (const Alternative& loser : decision.runners_up) {
      losers.push_back({{"choice", loser.choice}, {"step_seconds", loser.step_seconds}, {"reason", loser.reason}});
    }
    list.push_back({{"what", decision.what}, {"choice", decision.choice}, {"runners_up", losers}});
  }
  return list;
}

}  // namespace moesaic
