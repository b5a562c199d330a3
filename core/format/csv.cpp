#include "core/format/csv.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "core/schema/error.h"

namespace moesaic {
namespace {

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  size_t begin = 0;
  for (size_t end = line.find(','); end != std::string::npos; begin = end + 1, end = line.find(',', begin))
    fields.push_back(line.substr(begin, end - begin));
  fields.push_back(line.substr(begin));
  if (!fields.back().empty() && fields.back().back() == '\r') fields.back().pop_back();
  return fields;
}

}  // namespace

CsvTable::CsvTable(const std::string& file) : file_(file) {
  std::ifstream stream(file);
  std::string line;
  if (!std::getline(stream, line))
    throw InputError(file, "", "cannot be read or is empty", "a table with column names");
  columns_ = fields_of(line);
  for (std::string& column : columns_) std::erase(column, '"');
  for (size_t number = 2; std::getline(stream, line); ++number) {
    lines_.push_back(fields_of(line));
    if (lines_.back().size() != columns_.size())
      throw InputError(file, "/line " + std::to_string(number),
                       "has " + std::to_string(lines_.back().size()) + " fields", std::to_string(columns_.size()));
  }
}

bool CsvTable::has(const std::string& column) const {
  return std::find(columns_.begin(), columns_.end(), column) != columns_.end();
}

size_t CsvTable::place_of(const std::string& column) const {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  if (found == columns_.end()) throw InputError(file_, "/line 1", "has no column " + column, "a table of this kind");
  return static_cast<size_t>(found - columns_.begin());
}

const std::string& CsvTable::text(size_t line, const std::string& column) const {
  return lines_[line][place_of(column)];
}

double CsvTable::number(size_t line, const std::string& column) const {
  const std::string& field = text(line, column);
  size_t read = 0;
  double value = 0;
  try {
    value = std::stod(field, &read);
  } catch (const std::exception&) {
    read = 0;
  }
  if (read == 0 || read != field.size() || !std::isfinite(value))
    throw InputError(file_, "/line " + std::to_string(line + 2), column + " is \"" + field + "\"", "a number");
  return value;
}

int64_t CsvTable::integer(size_t line, const std::string& column) const {
  const double value = number(line, column);
  constexpr double kLargest = 9e15;  // integers up to here are exact
  if (value != std::floor(value) || std::abs(value) > kLargest)
    throw InputError(file_, "/line " + std::to_string(line + 2), column + " is no whole number", "an integer");
  return static_cast<int64_t>(value);
}

}  // namespace moesaic
