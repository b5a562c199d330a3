#include "core/schema/object_reader.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/schema/error.h"
#include "core/schema/nearest_name.h"

namespace moesaic {
namespace {

std::string shown(const Json& json) {
  if (json.is_object()) return "is an object";
  if (json.is_array()) return "is a list";
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return "is " + (text.size() > 80 ? text.substr(0, 80) + "..." : text);
}

std::string shown(double value) { return Json(value).dump(); }

std::string describe(IntegerRange range) {
  const bool bounded = range.most < std::numeric_limits<int64_t>::max();
  return "an integer " + (bounded ? "from " + std::to_string(range.least) + " to " + std::to_string(range.most)
                                  : "of at least " + std::to_string(range.least));
}

std::string describe(NumberRange range) {
  const bool bounded = range.most < std::numeric_limits<double>::max();
  const std::string least = range.least_excluded ? "above " + shown(range.least) : "of at least " + shown(range.least);
  return "a number " + least + (bounded ? " and at most " + shown(range.most) : "");
}

bool inside(double value, NumberRange range) {
  return value <= range.most && (range.least_excluded ? value > range.least : value >= range.least);
}

/// JSON does not tell 8 from 8.0; both are the integer 8.
bool as_integer(const Json& json, int64_t& value) {
  if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return false;
  if (json.is_number_integer()) return value = json.get<int64_t>(), true;
  if (!json.is_number_float()) return false;
  const auto number = json.get<double>();
  if (number != std::floor(number) || std::abs(number) >= 0x1p63) return false;
  return value = static_cast<int64_t>(number), true;
}

std::string escaped(const std::string& key) {
  std::string text;
  for (const char c : key) text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return text;
}

}  // namespace

Field::Field(const Json* json, std::string file, std::string pointer, const ObjectReader* parent)
    : json_(json), file_(std::move(file)), pointer_(std::move(pointer)), parent_(parent) {}

void Field::refuse(const std::string& problem, const std::string& expected, const std::string& remedy) const {
  throw InputError(file_, pointer_, problem, expected, remedy);
}

const Json& Field::json() const {
  if (present()) return *json_;
  const std::string key = pointer_.substr(pointer_.rfind('/') + 1);
  const std::string misspelt = parent_ == nullptr ? "" : parent_->misspelling_of(key);
  refuse("is missing", "",
         misspelt.empty() ? "add the key \"" + key + "\"" : "did you mean it by \"" + misspelt + "\"?");
}

int64_t Field::integer(IntegerRange range) const {
  int64_t value = 0;
  if (!as_integer(json(), value) || value < range.least || value > range.most) refuse(shown(json()), describe(range));
  return value;
}

uint64_t Field::seed(uint64_t fallback) const {
  if (!present()) return fallback;
  if (!json().is_number_unsigned()) refuse(shown(json()), "an integer from 0 to 18446744073709551615");
  return json().get<uint64_t>();
}

double Field::number(NumberRange range) const {
  if (!json().is_number() || !inside(json().get<double>(), range)) refuse(shown(json()), describe(range));
  return json().get<double>();
}

double Field::quantity(const char* unit, NumberRange range) const {
  double value = 0;
  try {
    if (json().is_string()) value = parse_quantity(json().get_ref<const std::string&>(), unit);
  } catch (const std::invalid_argument& error) {
    refuse(error.what());
  }
  if (json().is_number()) value = json().get<double>();
  if (!(json().is_number() || json().is_string()) || !inside(value, range)) {
    refuse(shown(json()), describe(range) + " in " + unit + ", or a string with its unit");
  }
  return value;
}

Bytes Field::bytes(IntegerRange range) const {
  if (!json().is_string()) {
    int64_t value = 0;
    if (as_integer(json(), value) && value >= range.least && value <= range.most) return value;
    refuse(shown(json()), describe(range) + " bytes, or a string such as \"80 GB\"");
  }
  const double value = std::round(quantity("B", kNotNegative));
  if (value < static_cast<double>(range.least) || value > static_cast<double>(range.most)) {
    refuse(shown(json()), describe(range) + " bytes");
  }
  return static_cast<Bytes>(value);
}

bool Field::boolean() const {
  if (!json().is_boolean()) refuse(shown(json()), "true or false");
  return json().get<bool>();
}

std::string Field::text() const {
  if (!json().is_string()) refuse(shown(json()), "a string");
  return json().get<std::string>();
}

size_t Field::choice(std::span<const char* const> names) const {
  const std::vector<std::string> candidates(names.begin(), names.end());
  if (!json().is_string()) refuse(shown(json()), suggestion("", candidates));
  const auto found = std::find(candidates.begin(), candidates.end(), json().get_ref<const std::string&>());
  if (found == candidates.end())
    refuse(shown(json()), "", suggestion(json().get_ref<const std::string&>(), candidates));
  return static_cast<size_t>(found - candidates.begin());
}

size_t Field::size() const {
  if (!json().is_array()) refuse(shown(json()), "a list");
  return json().size();
}

Field Field::operator[](size_t index) const {
  return {&json().at(index), file_, pointer_ + "/" + std::to_string(index)};
}

ObjectReader Field::object() const { return {json(), file_, pointer_}; }

ObjectReader::ObjectReader(const Json& json, std::string file, std::string pointer)
    : json_(json), file_(std::move(file)), pointer_(std::move(pointer)) {
  if (!json.is_object()) refuse(shown(json), "an object");
}

Field ObjectReader::operator[](const std::string& key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  const auto found = json_.find(key);
  return {found == json_.end() ? nullptr : &*found, file_, pointer_ + "/" + escaped(key), this};
}

void ObjectReader::finish() const {
  for (const std::string& key : unasked()) {
    const std::string shown_key = key.substr(0, 80);
    throw InputError(file_, pointer_ + "/" + escaped(shown_key), "unknown key \"" + shown_key + "\"", "",
                     suggestion(key, known_));
  }
}

std::vector<std::string> ObjectReader::unasked() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json_.items())
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) keys.push_back(key);
  return keys;
}

std::string ObjectReader::misspelling_of(const std::string& key) const {
  const std::vector<std::string> near = nearest_names(key, unasked(), 1);
  return near.empty() ? "" : near.front().substr(0, 80);
}

void ObjectReader::refuse(const std::string& problem, const std::string& expected, const std::string& remedy) const {
  throw InputError(file_, pointer_, problem, expected, remedy);
}

ObjectReader open_document(const Json& json, const std::string& file, const std::string& pointer,
                           const std::string& name) {
  ObjectReader reader(json, file, pointer);
  const std::string expected = "moesaic." + name + "/1";
  const Field kind = reader["kind"];
  if (!kind.present() && reader.misspelling_of("kind").empty())
    kind.refuse("is missing", "", "add the key \"kind\": \"" + expected + "\"");
  if (kind.text() != expected) kind.refuse(shown(kind.json()), "\"" + expected + "\"");
  return reader;
}

std::span<const char* const> dtype_names() {
  static const char* const kNames[] = {name_of(DType::f32),   name_of(DType::bf16), name_of(DType::f16),
                                       name_of(DType::fp8),   name_of(DType::fp4),  name_of(DType::i32),
                                       name_of(DType::nvfp4), name_of(DType::int4), name_of(DType::int4_128)};
  return kNames;
}

}  // namespace moesaic
