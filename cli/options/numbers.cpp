#include "cli/options/numbers.h"

#include <stdexcept>

#include "core/schema/formatted.h"

namespace moesaic::cli {

Seconds parse_duration(const std::string& text, Zero zero) {
  Seconds seconds = -1;
  try {
    seconds = parse_quantity(text, "s");
  } catch (const std::invalid_argument&) {
    try {
      seconds = parse_quantity(text + " s", "s");  // a plain number
    } catch (const std::invalid_argument&) {
    }
  }
  const bool large_enough = zero == Zero::allowed ? seconds >= 0 : seconds > 0;
  if (!large_enough || seconds > kLongestTime)
    throw std::invalid_argument("\"" + text.substr(0, 80) + "\" is no time to give here; expected " +
                                (zero == Zero::allowed ? "0 or " : "") +
                                "a time such as 30s, 2min or 500ms, at most 1e9 s; a plain number counts seconds");
  return seconds;
}

CLI::Option* add_duration(CLI::App& verb, const std::string& names, Seconds& seconds, const std::string& help,
                          Zero zero) {
  const auto take = [&seconds, zero, names](const std::string& text) {
    try {
      seconds = parse_duration(text, zero);
    } catch (const std::invalid_argument& error) {
      throw CLI::ValidationError(names, error.what());
    }
  };
  return verb.add_option_function<std::string>(names, take, help + "; a plain number counts seconds")
      ->type_name("TIME");
}

CLI::Validator number_within(double least, double most) {
  const std::string range = formatted("%g to %g", least, most);
  const auto check = [=](std::string& text) {
    double value = 0;
    const bool fits = CLI::detail::lexical_cast(text, value) && value >= least && value <= most;
    return fits ? std::string() : "\"" + text.substr(0, 80) + "\" is no number from " + range;
  };
  return {check, "in [" + formatted("%g - %g", least, most) + "]"};
}

}  // namespace moesaic::cli
