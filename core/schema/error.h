#pragma once
// The kinds of failure of the suite, each with its exit code. Infeasible and out-of-memory are results, not errors.

#include <stdexcept>
#include <string>

namespace moesaic {

/// A document or argument that cannot be used (exit code 2).
class InputError : public std::runtime_error {
 public:
  /// `pointer` is a JSON pointer ("/links/nic"), or "" when the whole file is meant. `expected` says what would be
  /// right, `remedy` what to do about it; either may be empty.
  InputError(std::string file, std::string pointer, std::string problem, std::string expected = "",
             std::string remedy = "");

  const std::string& file() const { return file_; }
  const std::string& pointer() const { return pointer_; }

 private:
  std::string file_;
  std::string pointer_;
};

/// A device, backend or launcher that failed (exit code 3).
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A broken invariant: a defect of this program (exit code 1).
class InvariantError : public std::logic_error {
 public:
  InvariantError(const char* file, int line, const char* condition, const std::string& message);
};

#define MOESAIC_CHECK(condition, message)                                                         \
  do {                                                                                            \
    if (!(condition)) throw ::moesaic::InvariantError(__FILE__, __LINE__, #condition, (message)); \
  } while (false)

}  // namespace moesaic
