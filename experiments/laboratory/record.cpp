#include "experiments/laboratory/record.h"

#include <limits>
#include <nlohmann/json.hpp>

namespace moesaic::experiments {
namespace {

constexpr NumberRange kAnyNumber{std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max()};
constexpr IntegerRange kAnyInteger{};
constexpr IntegerRange kAnyInt{std::numeric_limits<int>::min(), std::numeric_limits<int>::max()};

}  // namespace

Json new_document(const char* kind) { return {{"kind", "moesaic." + std::string(kind) + "/1"}}; }
Json& new_member(Json& object, const char* key) { return object[key]; }
Json& new_element(Json& array) { return array.emplace_back(); }
void make_empty_array(Json& place) { place = Json::array(); }
void make_empty_object(Json& place) { place = Json::object(); }

std::vector<std::string> keys_of(const Field& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.json().items()) keys.push_back(key);
  return keys;
}

void put(Json& place, double value) { place = value; }
void put(Json& place, int value) { place = value; }
void put(Json& place, int64_t value) { place = value; }
void put(Json& place, uint64_t value) { place = value; }
void put(Json& place, bool value) { place = value; }
void put(Json& place, const std::string& value) { place = value; }

void take(const Field& field, double& value) { value = field.number(kAnyNumber); }
void take(const Field& field, int& value) { value = static_cast<int>(field.integer(kAnyInt)); }
void take(const Field& field, int64_t& value) { value = field.integer(kAnyInteger); }
void take(const Field& field, uint64_t& value) { value = field.seed(0); }
void take(const Field& field, bool& value) { value = field.boolean(); }
void take(const Field& field, std::string& value) { value = field.text(); }

}  // namespace moesaic::experiments
