#include "core/plan/decision_field.h"

#include <nlohmann/json.hpp>

namespace moesaic {
namespace {

constexpr int64_t kNoRealLimit = 1 << 30;  // a limit of the machine, which tells a person nothing

}  // namespace

std::string range_in_words(IntegerRange range) {
  return "integer " + (range.most < kNoRealLimit
                           ? "from " + std::to_string(range.least) + " to " + std::to_string(range.most)
                           : "of at least " + std::to_string(range.least));
}

std::string range_in_words(NumberRange range) {
  const std::string least = (range.least_excluded ? "above " : "of at least ") + Json(range.least).dump();
  const bool limited = range.most < static_cast<double>(kNoRealLimit);
  return "number " + least + (limited ? " and at most " + Json(range.most).dump() : "");
}

std::string names_in_words(std::span<const char* const> names) {
  std::string text;
  for (const char* name : names) text += (text.empty() ? "`" : ", `") + std::string(name) + "`";
  return text;
}

Json json_of(int64_t value) { return value; }
Json json_of(double value) { return value; }
Json json_of(const char* value) { return value; }

std::string text_of(const Json& scalar) { return scalar.is_string() ? scalar.get<std::string>() : scalar.dump(); }

std::string filled_words(const std::string& words, const std::string& text) {
  const size_t bar = words.find('|');
  std::string filled = bar == std::string::npos ? words : text == "1" ? words.substr(0, bar) : words.substr(bar + 1);
  if (const size_t hole = filled.find('%'); hole != std::string::npos) filled.replace(hole, 1, text);
  return filled;
}

}  // namespace moesaic
