#pragma once
// Comma-separated tables with one line of column names, which alone may be quoted.

#include <cstdint>
#include <string>
#include <vector>

namespace moesaic {

class CsvTable {
 public:
  /// Throws InputError where the file cannot be read, has no line, or a line has another number of fields.
  explicit CsvTable(const std::string& file);

  size_t size() const { return lines_.size(); }
  bool has(const std::string& column) const;
  /// Of the line (from 0). Throw InputError for a column that is not there and for a field that is no number.
  const std::string& text(size_t line, const std::string& column) const;
  double number(size_t line, const std::string& column) const;
  int64_t integer(size_t line, const std::string& column) const;

 private:
  size_t place_of(const std::string& column) const;

  std::string file_;
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> lines_;
};

}  // namespace moesaic
