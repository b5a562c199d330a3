#include "core/schema/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <span>
#include <stdexcept>

#include "core/schema/error.h"
#include "core/schema/formatted.h"

namespace moesaic {
namespace {

/// A quantity is value * numerator / denominator; both are exact doubles, so "7 us" is the double nearest to 7e-6.
struct Scale {
  std::string_view text;
  double numerator;
  double denominator = 1;
};

constexpr Scale kDecimalPrefixes[] = {{"", 1},    {"k", 1e3},  {"K", 1e3},  {"M", 1e6},
                                      {"G", 1e9}, {"T", 1e12}, {"P", 1e15}, {"E", 1e18}};
constexpr Scale kBinaryPrefixes[] = {{"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0}};
constexpr Scale kByteNames[] = {{"B", 1}, {"b", 1, 8}, {"bit", 1, 8}};
constexpr Scale kByteRateNames[] = {{"B/s", 1}, {"b/s", 1, 8}, {"bit/s", 1, 8}, {"bps", 1, 8}};
constexpr Scale kTimeNames[] = {{"s", 1},       {"ms", 1, 1e3}, {"us", 1, 1e6}, {"\xC2\xB5s", 1, 1e6},
                                {"ns", 1, 1e9}, {"min", 60},    {"h", 3600}};
constexpr Scale kFlopsNames[] = {{"FLOP/s", 1}, {"FLOPS", 1}, {"FLOPs/s", 1}};

struct UnitFamily {
  std::string_view unit;
  std::span<const Scale> names;
  bool decimal_prefixes;
  bool binary_prefixes;
  const char* examples;
};

constexpr UnitFamily kUnitFamilies[] = {{"B", kByteNames, true, true, "\"80 GB\" or \"24 GiB\""},
                                        {"B/s", kByteRateNames, true, true, "\"900 GB/s\" or \"25 Gb/s\""},
                                        {"s", kTimeNames, false, false, "\"7 us\" or \"1.5 ms\""},
                                        {"FLOP/s", kFlopsNames, true, false, "\"312 TFLOP/s\""}};

const UnitFamily& family_of(std::string_view unit) {
  for (const UnitFamily& family : kUnitFamilies) {
    if (family.unit == unit) return family;
  }
  throw InvariantError(__FILE__, __LINE__, "known unit", "no unit family " + std::string(unit));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool apply_suffix(std::string_view suffix, std::span<const Scale> prefixes, const UnitFamily& family, double& value) {
  for (const Scale& prefix : prefixes) {
    if (!suffix.starts_with(prefix.text)) continue;
    for (const Scale& name : family.names) {
      if (suffix.substr(prefix.text.size()) != name.text) continue;
      value = value * (prefix.numerator * name.numerator) / name.denominator;
      return true;
    }
  }
  return false;
}

std::string with_prefix(double value, std::span<const Scale> prefixes, const char* unit) {
  std::string_view prefix = "";
  double scaled = value;
  for (const Scale& candidate : prefixes) {
    if (candidate.text == "K") continue;
    // 999.5 would be printed as "1e+03" with three digits, so the next prefix starts there.
    if (&candidate != prefixes.data() && std::abs(value) * candidate.denominator < 0.9995 * candidate.numerator)
      continue;
    prefix = candidate.text;
    scaled = value * candidate.denominator / candidate.numerator;
  }
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.3g %.*s%s", scaled, static_cast<int>(prefix.size()), prefix.data(),
                unit);
  std::string text = buffer.data();
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

double bits_per_element(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32:
      return 32;
    case DType::bf16:
    case DType::f16:
      return 16;
    case DType::fp8:
      return 8;
    case DType::fp4:
      return 4 + 8.0 / 32;
    case DType::nvfp4:
      return 4 + 8.0 / 16;
    case DType::int4:
      return 4 + 16.0 / 32;
    case DType::int4_128:
      return 4 + 20.0 / 128;
  }
  throw InvariantError(__FILE__, __LINE__, "known dtype", "element type out of range");
}

Bytes bytes_of(DType dtype, int64_t elements) {
  // Parts of a bit keep the arithmetic in integers: 4.25 bits are 136 of 32nds.
  const auto parts = static_cast<int64_t>(bits_per_element(dtype) * 32);
  return elements / 256 * parts + (elements % 256 * parts + 255) / 256;
}

const char* name_of(DType dtype) {
  constexpr const char* kNames[] = {"f32", "bf16", "f16", "fp8", "fp4", "i32", "nvfp4", "int4", "int4_128"};
  return kNames[static_cast<size_t>(dtype)];
}

double parse_quantity(std::string_view text, std::string_view unit) {
  const UnitFamily& family = family_of(unit);
  const std::string_view body = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), value);
  const std::string_view suffix = trimmed(body.substr(static_cast<size_t>(end - body.data())));
  const bool number = error == std::errc() && std::isfinite(value);
  const bool scaled = number && ((family.decimal_prefixes && apply_suffix(suffix, kDecimalPrefixes, family, value)) ||
                                 (family.binary_prefixes && apply_suffix(suffix, kBinaryPrefixes, family, value)) ||
                                 apply_suffix(suffix, std::span(kDecimalPrefixes, 1), family, value));
  if (!scaled || !std::isfinite(value)) {
    throw std::invalid_argument("\"" + std::string(text.substr(0, 80)) + "\" is not a quantity in " +
                                std::string(unit) + "; expected for example " + family.examples);
  }
  return value;
}

std::string format_bytes(double bytes) { return with_prefix(bytes, kDecimalPrefixes, "B"); }

std::string format_count(double count) { return with_prefix(count, kDecimalPrefixes, ""); }

std::string format_seconds(double seconds) {
  constexpr Scale kPrefixes[] = {{"n", 1, 1e9}, {"u", 1, 1e6}, {"m", 1, 1e3}};
  constexpr double kMinute = 60, kHour = 3600;  // s
  constexpr double kMinutesFrom = 599.5;        // s; below, three digits still tell seconds apart
  if (seconds == 0) return "0 s";
  if (std::abs(seconds) >= kMinutesFrom) {
    // An hour starts where minutes would be printed as 60; from 1000 hours on the integer part is never rounded.
    const bool hours = std::abs(seconds) >= 59.95 * kMinute;
    const double scaled = seconds / (hours ? kHour : kMinute);
    std::array<char, 32> buffer{};
    std::snprintf(buffer.data(), buffer.size(), std::abs(scaled) >= 999.5 ? "%.0f %s" : "%.3g %s", scaled,
                  hours ? "h" : "min");
    return buffer.data();
  }
  if (std::abs(seconds) >= 0.9995) return with_prefix(seconds, std::span(kDecimalPrefixes, 1), "s");
  return with_prefix(seconds, kPrefixes, "s");
}

std::string format_share(double share) { return formatted("%.3g %%", 100 * share); }

std::string format_change(double change, int decimals) {
  constexpr double kFactorsFrom = 9;  // ten times as much
  constexpr double kMost = 9e18;      // that with_commas() can write
  if (change >= kFactorsFrom && change < kMost) return with_commas(std::llround(1 + change)) + "x";
  const double scale = std::pow(10, decimals);
  const double rounded = std::round(100 * change * scale) / scale;
  return formatted("%+.*f %%", decimals, rounded == 0 ? 0.0 : rounded);
}

}  // namespace moesaic
