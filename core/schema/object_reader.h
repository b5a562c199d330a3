#pragma once
// Typed, strict access to parsed JSON for every document of the suite. It knows types, ranges, units and spelling, not
// what a field means.

#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

using Json = nlohmann::ordered_json;

class ObjectReader;

struct IntegerRange {
  int64_t least = std::numeric_limits<int64_t>::min();
  int64_t most = std::numeric_limits<int64_t>::max();
};

struct NumberRange {
  double least = 0;
  double most = std::numeric_limits<double>::max();
  bool least_excluded = false;
};

constexpr IntegerRange kCount{1, 1 << 30};
constexpr IntegerRange kNotNegativeCount{0, std::numeric_limits<int64_t>::max()};
constexpr IntegerRange kBytesRange{0, int64_t{1} << 62};
constexpr NumberRange kPositive{0, std::numeric_limits<double>::max(), true};
constexpr NumberRange kNotNegative{};
constexpr NumberRange kPartOfOne{0, 1, true};

/// One JSON value with the place it stands at. Without a fallback an absent value is refused; with one it is replaced.
class Field {
 public:
  Field(const Json* json, std::string file, std::string pointer, const ObjectReader* parent = nullptr);

  bool present() const { return json_ != nullptr; }
  const Json& json() const;
  const std::string& pointer() const { return pointer_; }

  int64_t integer(IntegerRange range) const;
  int64_t integer(IntegerRange range, int64_t fallback) const { return present() ? integer(range) : fallback; }
  uint64_t seed(uint64_t fallback) const;
  double number(NumberRange range) const;
  double number(NumberRange range, double fallback) const { return present() ? number(range) : fallback; }
  /// A number in SI units or a string such as "900 GB/s".
  double quantity(const char* unit, NumberRange range) const;
  double quantity(const char* unit, NumberRange range, double fallback) const {
    return present() ? quantity(unit, range) : fallback;
  }
  Bytes bytes(IntegerRange range) const;
  Bytes bytes(IntegerRange range, Bytes fallback) const { return present() ? bytes(range) : fallback; }
  bool boolean() const;
  bool boolean(bool fallback) const { return present() ? boolean() : fallback; }
  std::string text() const;
  std::string text(const std::string& fallback) const { return present() ? text() : fallback; }
  /// Index of the text among `names`; enumerations list their names in order.
  size_t choice(std::span<const char* const> names) const;
  template <typename Enum>
  Enum choice(std::span<const char* const> names, Enum fallback) const {
    return present() ? static_cast<Enum>(choice(names)) : fallback;
  }

  size_t size() const;  // of an array
  Field operator[](size_t index) const;
  ObjectReader object() const;
  /// Arrays whole: what `read` makes of each element or of each object; integers; numbers.
  template <typename Read>
  std::vector<std::invoke_result_t<Read, const Field&>> each(Read read) const {
    std::vector<std::invoke_result_t<Read, const Field&>> values;
    values.reserve(size());
    for (size_t i = 0; i < size(); ++i) values.push_back(read((*this)[i]));
    return values;
  }
  template <typename Read>
  auto objects(Read read) const;
  template <typename Integer = int64_t>
  std::vector<Integer> integers(IntegerRange range) const {
    return each([range](const Field& element) { return static_cast<Integer>(element.integer(range)); });
  }
  std::vector<double> numbers(NumberRange range) const {
    return each([range](const Field& element) { return element.number(range); });
  }

  [[noreturn]] void refuse(const std::string& problem, const std::string& expected = "",
                           const std::string& remedy = "") const;

 private:
  const Json* json_;  // null: absent
  std::string file_;
  std::string pointer_;
  const ObjectReader* parent_;  // null: not a member of an object, or its reader is gone
};

/// The members of one object. Every key that is asked for becomes known; `finish` refuses the others.
class ObjectReader {
 public:
  ObjectReader(const Json& json, std::string file, std::string pointer);

  Field operator[](const std::string& key);
  void finish() const;

  const std::string& file() const { return file_; }
  const std::string& pointer() const { return pointer_; }
  const Json& json() const { return json_; }
  /// The present keys that nobody asked for.
  std::vector<std::string> unasked() const;
  /// The present key that a missing one was probably misspelt as, or "".
  std::string misspelling_of(const std::string& key) const;
  [[noreturn]] void refuse(const std::string& problem, const std::string& expected = "",
                           const std::string& remedy = "") const;

 private:
  const Json& json_;
  std::string file_;
  std::string pointer_;
  std::vector<std::string> known_;
};

template <typename Read>
auto Field::objects(Read read) const {
  return each([&read](const Field& element) { return read(element.object()); });
}

/// Opens a document of ours and checks "kind": "moesaic.<name>/1".
ObjectReader open_document(const Json& json, const std::string& file, const std::string& pointer,
                           const std::string& name);

/// Names of every DType, in order.
std::span<const char* const> dtype_names();

}  // namespace moesaic
