#pragma once
// The numbers that both programs take as options: durations in one syntax and ranges in plain words. Whole numbers are
// CLI11's own, with CLI::Range.

#include <CLI/CLI.hpp>
#include <string>

#include "core/schema/units.h"

namespace moesaic::cli {

/// The longest time that any option takes: about 31 years, so that sums of a few stay exact to a microsecond.
inline constexpr Seconds kLongestTime = 1e9;

enum class Zero { refused, allowed };

/// "30s", "2min", "500 ms", "1.5h"; a plain number counts seconds. Throws std::invalid_argument, in plain words, for
/// what is no time (nan and inf are none), for negative ones, for 0 where it is refused and beyond kLongestTime.
Seconds parse_duration(const std::string& text, Zero zero);

/// An option whose value is such a time. Parsing leaves its seconds in `seconds`.
CLI::Option* add_duration(CLI::App& verb, const std::string& names, Seconds& seconds, const std::string& help,
                          Zero zero = Zero::refused);

/// Of an option: numbers from `least` to `most`. CLI::Range lets nan pass.
CLI::Validator number_within(double least, double most);

}  // namespace moesaic::cli
