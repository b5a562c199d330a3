// The text output of nccl-tests.

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>

#include "core/format/nccl_tests.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& line) {
  std::istringstream stream(line);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// "all_reduce_perf" of a command line, of "# Collective test starting: all_reduce_perf", of "all_reduce_perf.log".
std::optional<std::string> program_in(const std::string& text) {
  const std::string suffix = "_perf";
  const size_t end = text.find(suffix);
  if (end == std::string::npos) return std::nullopt;
  const size_t before = text.find_last_not_of("abcdefghijklmnopqrstuvwxyz_0123456789", end);
  return text.substr(before == std::string::npos ? 0 : before + 1, end + suffix.size() - before - 1);
}

/// mpirun --tag-output writes "[1,0]<stdout>:" before each line.
std::string untagged(const std::string& line) {
  const size_t tag = line.starts_with('[') ? line.find("<stdout>") : std::string::npos;
  if (tag == std::string::npos) return line;
  const size_t text = tag + std::string("<stdout>").size();
  return line.substr(text < line.size() && line[text] == ':' ? text + 1 : text);
}

double number(const std::string& word, const std::string& place, const char* column) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !(value >= 0))
    throw InputError(place, "", "column " + std::string(column) + " is \"" + word + "\"", "a number");
  return value;
}

class TextReader {
 public:
  explicit TextReader(std::string file) : file_(std::move(file)) {}

  void read(const std::string& line) {
    ++line_;
    const std::string text = untagged(line);
    const Words words = words_of(text);
    if (words.empty()) return;
    if (text.starts_with('#') && read_comment(text, words)) return;
    if (open_ && !columns_.empty() && words.front().find_first_not_of("0123456789") == std::string::npos)
      return read_row(words);
    if (open_ || text.find("concluded") != std::string::npos) return;
    if (const auto program = program_in(text)) program_ = *program;
  }

  std::vector<NcclTestsTable> finish() {
    if (open_) refuse_truncated();
    if (tables_.empty())
      throw InputError(file_, "", "holds no table of nccl-tests", "the output of all_reduce_perf or one of its sisters",
                       "keep the lines that begin with #, too");
    return std::move(tables_);
  }

 private:
  std::string place() const { return file_ + ":" + std::to_string(line_); }

  [[noreturn]] void refuse_truncated() const {
    throw InputError(tables_.back().place, "", "the table has no end", "the line \"# Avg bus bandwidth\" after it",
                     "give the whole output: the program may have died");
  }

  /// False where the line says nothing about a table.
  bool read_comment(const std::string& text, const Words& words) {
    if (words.size() > 1 && words[1] == "nThread") return begin(text.substr(text.find("nThread"))), true;
    if (!open_) return false;
    if (words.size() > 8 && words[1] == "Rank") return read_device(text, words), true;
    if (words.size() > 8 && words[1] == "size") return read_header({words.begin() + 1, words.end()}), true;
    if (text.find("Out of bounds values") != std::string::npos && text.find("OK") == std::string::npos)
      throw InputError(place(), "", "the program found wrong values: " + text, "\"0 OK\"", "measure again");
    if (text.find("Avg bus bandwidth") != std::string::npos) return end(), true;
    return false;
  }

  void begin(const std::string& settings) {
    if (open_) refuse_truncated();
    if (program_.empty()) program_ = program_in(file_.substr(file_.find_last_of('/') + 1)).value_or("");
    if (program_.empty())
      throw InputError(place(), "", "does not say which program made the table", "a line or a file name with its name",
                       "name the file after it, for example all_reduce_perf.txt");
    tables_.push_back({program_, settings, "", "", place(), {}, 1, {}});
    open_ = true;
    columns_.clear();
    group_sizes_.clear();
  }

  /// "#  Rank  0 Group  0 Pid 12345 on host device  0 [0000:04:00] NVIDIA H100"; older versions have no Group.
  void read_device(const std::string& text, const Words& words) {
    std::map<std::string, std::string> values;
    for (size_t i = 1; i + 1 < words.size() && words[i] != "device"; i += 2) values[words[i]] = words[i + 1];
    const size_t bracket = text.find("] ");
    if (!values.contains("on") || bracket == std::string::npos)
      throw InputError(place(), "", "is no device line", "\"#  Rank 0 Group 0 Pid 1 on HOST device 0 [0x01] NAME\"");
    const std::string group = values.contains("Group") ? values["Group"] : "0";
    if (group == "0") tables_.back().hosts.push_back(values["on"]);
    ++group_sizes_[group];
    if (tables_.back().device.empty()) tables_.back().device = text.substr(bracket + 2);
  }

  /// Times of the CPU (-C) have another name, so they are missed here.
  void read_header(const Words& columns) {
    columns_ = columns;
    has_timestamps_ = columns_.back() == "timestamp";
    if (has_timestamps_) columns_.pop_back();
    for (const char* needed : {"time", "algbw", "busbw"})
      if (std::find(columns_.begin(), columns_.end(), needed) == columns_.end())
        throw InputError(place(), "", "has no column " + std::string(needed), "times of the device, as by default");
  }

  /// Columns that some programs leave blank (redop, root) stand left of the times, so those are counted from the right.
  void read_row(Words words) {
    if (has_timestamps_) words.resize(words.size() - std::min<size_t>(words.size(), 2));
    const size_t first_time = std::find(columns_.begin(), columns_.end(), "time") - columns_.begin();
    constexpr size_t kMostBlank = 2;
    const size_t blank = columns_.size() - words.size();  // wraps where there are more words
    if (blank > kMostBlank)
      throw InputError(place(), "", "has " + std::to_string(words.size()) + " columns",
                       std::to_string(columns_.size()) + " as the header of the table", "give the whole line");
    for (size_t i = first_time; i < columns_.size(); ++i) {
      const std::string& word = words[i - blank];
      const bool counts_errors = columns_[i] == "#wrong" || columns_[i] == "error";
      if (counts_errors && word != "N/A" && number(word, place(), "#wrong") > 0)
        throw InputError(place(), "", "has " + word + " wrong elements", "0", "measure again: the collective failed");
    }
    const auto value = [&](size_t column) { return number(words[column - blank], place(), columns_[column].c_str()); };
    tables_.back().rows.push_back({static_cast<Bytes>(number(words[0], place(), "size")), value(first_time) / 1e6,
                                   value(first_time + 1) * 1e9, value(first_time + 2) * 1e9, place()});
  }

  void end() {
    NcclTestsTable& table = tables_.back();
    for (const auto& [group, size] : group_sizes_)
      if (size != static_cast<int>(table.hosts.size()))
        throw InputError(table.place, "",
                         "mixes rank counts: group 0 has " + std::to_string(table.hosts.size()) + ", group " + group +
                             " has " + std::to_string(size),
                         "groups of as many ranks");
    if (table.hosts.empty() || table.rows.empty())
      throw InputError(table.place, "", table.hosts.empty() ? "has no device lines" : "has no rows",
                       "the whole output, from \"# nThread\" to \"# Avg bus bandwidth\"");
    table.groups = static_cast<int>(group_sizes_.size());
    open_ = false;
    program_.clear();
  }

  std::string file_, program_;
  int line_ = 0;
  bool open_ = false, has_timestamps_ = false;
  Words columns_;
  std::map<std::string, int> group_sizes_;
  std::vector<NcclTestsTable> tables_;
};

}  // namespace

std::vector<NcclTestsTable> read_nccl_tests_text(const std::string& text, const std::string& file) {
  TextReader reader(file);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) reader.read(line);
  return reader.finish();
}

}  // namespace moesaic
