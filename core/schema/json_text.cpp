// Text to JSON, stricter than the standard asks: see read_json in documents.h.

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/schema/documents.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

constexpr size_t kMaxDepth = 100;                  // far above any document of ours; bounds recursion of every reader
constexpr size_t kMaxFileBytes = size_t{1} << 30;  // a pseudo-file such as /dev/zero must not fill the memory
constexpr size_t kMaxQuoted = 80;

std::string escaped_key(const std::string& key) {
  std::string text;
  for (const char c : key.substr(0, kMaxQuoted)) text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return text;
}

/// What a parser message quotes may be long or not even UTF-8; the message that we show is neither.
std::string printable(const std::string& text) {
  std::string shown;
  for (const char c : text) {
    if (shown.size() >= 300) return shown + "...";
    const bool plain = static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F;
    shown += plain ? c : '?';
  }
  return shown;
}

/// Builds the document event by event and keeps the path to the value that is being read.
class Builder : public Json::json_sax_t {
 public:
  Builder(Json& root, const std::string& file) : root_(root), file_(file) {}

  bool null() override { return add(nullptr), true; }
  bool boolean(bool value) override { return add(value), true; }
  bool number_integer(Json::number_integer_t value) override { return add(value), true; }
  bool number_unsigned(Json::number_unsigned_t value) override { return add(value), true; }
  bool number_float(Json::number_float_t value, const std::string& text) override {
    // An integer of more than 64 bits arrives here, silently rounded.
    if (text.find_first_of(".eE") == std::string::npos) {
      throw InputError(file_, pointer(), "integer " + text.substr(0, kMaxQuoted) + " does not fit into 64 bits",
                       "at most 18446744073709551615", "write large quantities with an exponent or a unit");
    }
    return add(value), true;
  }
  bool string(std::string& value) override { return add(std::move(value)), true; }
  bool binary(Json::binary_t&) override { return false; }  // not in JSON text

  bool start_object(std::size_t) override {
    open(Json::object());
    return true;
  }
  bool start_array(std::size_t) override {
    open(Json::array());
    return true;
  }
  bool end_object() override {
    stack_.pop_back();
    return true;
  }
  bool end_array() override {
    stack_.pop_back();
    return true;
  }
  bool key(std::string& name) override {
    Level& level = stack_.back();
    level.key = name;
    if (!level.keys.insert(name).second)
      throw InputError(file_, pointer(), "the key appears twice", "", "remove one of them");
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string message = error.what();
    if (const size_t start = message.find("] "); start != std::string::npos) message = message.substr(start + 2);
    throw InputError(file_, pointer(),
                     "not valid JSON at byte " + std::to_string(position) + ": " + printable(message));
  }

 private:
  struct Level {
    Json* value;
    std::string key;             // of the member being read, in an object
    std::set<std::string> keys;  // seen so far
  };

  std::string pointer() const {
    std::string text;
    for (const Level& level : stack_) {
      if (level.value->is_object() && level.key.empty() && level.keys.empty()) break;
      // The innermost list waits for its next element, an outer one has already taken the container that is open.
      const size_t taken = &level == &stack_.back() ? 0 : 1;
      text += "/" + (level.value->is_object() ? escaped_key(level.key) : std::to_string(level.value->size() - taken));
    }
    return text;
  }

  /// Only the innermost open container grows, so pointers to the outer ones stay valid.
  Json* add(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = stack_.back();
    if (level.value->is_array()) {
      level.value->push_back(std::move(value));
      return &level.value->back();
    }
    // The vector below an ordered object: its own insertion would search all keys again.
    using Members = std::vector<std::pair<const std::string, Json>>;
    Members& members = level.value->get_ref<Json::object_t&>();
    members.emplace_back(level.key, std::move(value));
    return &members.back().second;
  }

  void open(Json container) {
    if (stack_.size() >= kMaxDepth) {
      throw InputError(file_, pointer().substr(0, 300), "is nested more than " + std::to_string(kMaxDepth) + " deep");
    }
    Json* opened = add(std::move(container));
    stack_.push_back({opened, "", {}});
  }

  Json& root_;
  const std::string& file_;
  std::vector<Level> stack_;
};

void refuse_byte_order_mark(const std::string& text, const std::string& file) {
  for (const char* mark : {"\xEF\xBB\xBF", "\xFE\xFF", "\xFF\xFE"}) {
    if (text.starts_with(mark)) {
      throw InputError(file, "", "starts with a byte order mark at byte 0", "UTF-8 without a mark",
                       "save it as plain UTF-8");
    }
  }
}

}  // namespace

void check_regular_file(const std::string& path, const std::string& expected) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  if (type == fs::file_type::regular) return;
  if (error) throw InputError(path, "", "cannot be read: " + error.message());
  if (type == fs::file_type::directory) throw InputError(path, "", "is a directory", expected);
  const bool waits = type == fs::file_type::fifo || type == fs::file_type::socket;
  throw InputError(path, "", waits ? "is a pipe or a socket" : "is a device", expected,
                   waits ? "write what it sends to a file first" : "");
}

Json parse_json(const std::string& text, const std::string& file) {
  refuse_byte_order_mark(text, file);
  if (text.starts_with("\x1F\x8B")) throw InputError(file, "", "is compressed by gzip", "a JSON document", "unpack it");
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) throw InputError(file, "", "is empty", "a JSON document");
  // The parser takes a zero byte for the end and would not look at what follows.
  if (const size_t zero = text.find('\0'); zero != std::string::npos) {
    throw InputError(file, "", "not valid JSON at byte " + std::to_string(zero + 1) + ": zero byte");
  }
  Json root;
  Builder builder(root, file);
  Json::sax_parse(text, &builder);
  return root;
}

std::string read_text(const std::string& path, const std::string& expected) {
  check_regular_file(path, expected);
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw InputError(path, "", std::string("cannot be read: ") + std::strerror(errno));
  std::string text;
  std::vector<char> block(size_t{1} << 16);
  while (stream.read(block.data(), static_cast<std::streamsize>(block.size())), stream.gcount() > 0) {
    text.append(block.data(), static_cast<size_t>(stream.gcount()));
    if (text.size() > kMaxFileBytes) throw InputError(path, "", "is larger than 1 GiB", expected);
  }
  if (stream.bad()) throw InputError(path, "", std::string("cannot be read: ") + std::strerror(errno));
  return text;
}

Json read_json(const std::string& path) { return parse_json(read_text(path, "a JSON file"), path); }

}  // namespace moesaic
