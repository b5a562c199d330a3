#include "core/schema/hugging_face_config.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace moesaic::hugging_face {

Json without_nulls(const Json& config) {
  if (!config.is_object()) return config;
  Json kept = Json::object();
  for (const auto& [key, value] : config.items())
    if (!value.is_null()) kept[key] = without_nulls(value);
  return kept;
}

Config::Config(const Json& config, const std::string& file, const std::string& pointer) {
  ObjectReader whole(config, file, pointer);
  if (const Field text = whole["text_config"]; text.present()) parts_.push_back(text.object());
  parts_.push_back(whole);
  for (const char* section : {"attn_config", "ffn_config"})
    if (const Field part = parts_.front()[section]; part.present()) parts_.push_back(part.object());
}

Field Config::operator()(std::span<const char* const> aliases) {
  std::optional<Field> found;
  for (ObjectReader& part : parts_)  // all of them, so that each knows that its keys were asked for
    for (const char* alias : aliases)
      if (const Field field = part[alias]; field.present() && !found) found = field;
  return found ? *found : parts_.front()[aliases.front()];
}

Field Config::operator()(std::initializer_list<const char*> aliases) {
  return (*this)(std::span(aliases.begin(), aliases.size()));
}

Field Config::operator[](const char* key) { return (*this)({key}); }

int64_t Config::uniform(const Field& field, IntegerRange range) {
  if (!field.present() || !field.json().is_array()) return field.integer(range);
  if (field.size() == 0) field.refuse("is empty", "a number, or one per layer");
  const int64_t first = field[0].integer(range);
  for (size_t layer = 1; layer < field.size(); ++layer)
    if (field[layer].integer(range) != first)
      field[layer].refuse("is another number than layer 0 has", "the same in all layers",
                          "models with layers of different widths cannot be read");
  return first;
}

}  // namespace moesaic::hugging_face
