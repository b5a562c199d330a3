#include "core/schema/error.h"

namespace moesaic {
namespace {

std::string compose(const std::string& file, const std::string& pointer, const std::string& problem,
                    const std::string& expected, const std::string& remedy) {
  std::string text = file;
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
