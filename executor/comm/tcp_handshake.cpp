#include "executor/comm/tcp_handshake.h"

#include <poll.h>

#include <cstddef>
#include <cstring>
#include <sstream>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

constexpr uint64_t kMagic = 0x6D6F657361696331;  // "moesaic1"
constexpr uint64_t kLongest = 1 << 24;           // a table of over 100 000 ranks

[[noreturn]] void malformed() { throw DeviceError("a rank of this job speaks in another form; use one version of it"); }

}  // namespace

TcpWord to_word(const TcpHello& hello) {
  std::ostringstream text;
  text << hello.rank << ' ' << hello.size << ' ' << hello.port << '\n' << hello.host_name << '\n' << hello.job;
  return {TcpWord::kHello, text.str()};
}

TcpHello hello_of(const TcpWord& word) {
  TcpHello hello;
  std::istringstream text(word.text);
  if (word.kind != TcpWord::kHello || !(text >> hello.rank >> hello.size >> hello.port)) malformed();
  text.ignore();
  std::getline(text, hello.host_name);
  std::getline(text, hello.job, '\0');
  return hello;
}

TcpWord to_word(const std::vector<TcpPlace>& table) {
  std::ostringstream text;
  for (const TcpPlace& place : table)
    text << place.address.port << '\n' << place.address.host << '\n' << place.host_name << '\n';
  return {TcpWord::kTable, text.str()};
}

std::vector<TcpPlace> table_of(const TcpWord& word) {
  if (word.kind != TcpWord::kTable) malformed();
  std::vector<TcpPlace> table;
  std::istringstream text(word.text);
  for (TcpPlace place; text >> place.address.port; table.push_back(place)) {
    text.ignore();
    if (!std::getline(text, place.address.host) || !std::getline(text, place.host_name)) malformed();
  }
  return table;
}

bool send_word(const TcpSocket& socket, const TcpWord& word, Deadline deadline) {
  const TcpWordReader::Prefix prefix{kMagic, kTcpVersion, word.kind, word.text.size()};
  std::string bytes(sizeof prefix, '\0');
  std::memcpy(bytes.data(), &prefix, sizeof prefix);
  bytes += word.text;
  return send_all(socket, bytes.data(), static_cast<int64_t>(bytes.size()), deadline);
}

TcpWordReader::State TcpWordReader::read(const TcpSocket& socket) {
  constexpr int64_t kPrefix = sizeof(Prefix);
  for (;;) {
    const bool in_prefix = got_ < kPrefix;
    char* const next = in_prefix ? reinterpret_cast<char*>(&prefix_) + got_ : word_.text.data() + (got_ - kPrefix);
    const int64_t wanted = (in_prefix ? kPrefix : kPrefix + static_cast<int64_t>(word_.text.size())) - got_;
    if (wanted > 0) {
      const int64_t count = receive_some(socket, next, wanted);
      if (count < 0) return State::closed;
      if (count == 0) return State::incomplete;
      got_ += count;
      if (count < wanted) continue;
    }
    if (!in_prefix) return State::complete;
    if (prefix_.magic != kMagic || prefix_.length > kLongest) return State::foreign;
    if (prefix_.version != kTcpVersion) return State::other_version;
    word_.kind = static_cast<TcpWord::Kind>(prefix_.kind);
    word_.text.resize(prefix_.length);
  }
}

TcpWordReader::State wait_for_word(const TcpSocket& socket, TcpWordReader& reader, Deadline deadline) {
  for (;;) {
    const TcpWordReader::State state = reader.read(socket);
    const int wait_ms = milliseconds_until(deadline);
    if (state != TcpWordReader::State::incomplete || wait_ms == 0) return state;
    pollfd waiting{socket.descriptor(), POLLIN, 0};
    poll(&waiting, 1, wait_ms);
  }
}

}  // namespace moesaic::executor
