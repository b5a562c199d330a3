#include "core/schema/error.h"

namespace moesaic {
namespace {

/// A name of thousands of characters would bury what is wrong with it.
std::string shortened(const std::string& file) {
  constexpr size_t kLongest = 300, kShown = 60;
  if (file.size() <= kLongest) return file;
  size_t shown = kShown;
  while (shown > 0 && (static_cast<unsigned char>(file[shown]) & 0xC0) == 0x80) --shown;  // a whole UTF-8 character
  return file.substr(0, shown) + "... (" + std::to_string(file.size()) + " bytes)";
}

std::string compose(const std::string& file, const std::string& pointer, const std::string& problem,
                    const std::string& expected, const std::string& remedy) {
  std::string text = shortened(file);
  if (!pointer.empty()) text += (text.empty() ? "" : " ") + pointer;
  if (!text.empty()) text += ": ";
  text += problem;
  if (!expected.empty()) text += "; expected " + expected;
  if (!remedy.empty()) text += "; " + remedy;
  return text;
}

}  // namespace

InputError::InputError(std::string file, std::string pointer, std::string problem, std::string expected,
                       std::string remedy)
    : std::runtime_error(compose(file, pointer, problem, expected, remedy)),
      file_(std::move(file)),
      pointer_(std::move(pointer)) {}

InvariantError::InvariantError(const char* file, int line, const char* condition, const std::string& message)
    : std::logic_error(std::string(file) + ":" + std::to_string(line) + ": " + condition + ": " + message) {}

}  // namespace moesaic
