#pragma once
// The words with which two ranks meet, before any message: who speaks, for which job, and what the answer is. It knows
// their form and not who says them when.

#include <string>
#include <vector>

#include "executor/comm/tcp_socket.h"

namespace moesaic::executor {

/// A prefix (magic number, version, kind, length) and a text. The magic number also tells a machine of the other byte
/// order apart.
struct TcpWord {
  enum Kind : uint32_t { kHello = 1, kTable = 2, kRefusal = 3 };
  Kind kind = kHello;
  std::string text;
};

inline constexpr uint32_t kTcpVersion = 1;

/// A rank of a job, as it introduces itself.
struct TcpHello {
  std::string job;
  int rank = 0;
  int size = 0;
  int port = 0;  // where it listens
  std::string host_name;
};

/// What everybody must know of a rank.
struct TcpPlace {
  TcpAddress address;
  std::string host_name;
};

TcpWord to_word(const TcpHello& hello);
TcpWord to_word(const std::vector<TcpPlace>& table);
/// Throw DeviceError when the text has another form.
TcpHello hello_of(const TcpWord& word);
std::vector<TcpPlace> table_of(const TcpWord& word);

/// False when the connection ends or the deadline passes.
bool send_word(const TcpSocket& socket, const TcpWord& word, Deadline deadline);

/// Collects one word from a socket, without waiting.
class TcpWordReader {
 public:
  enum class State { incomplete, complete, closed, foreign, other_version };

  /// foreign: not a word of this program, or one above the limit for strangers.
  State read(const TcpSocket& socket);
  const TcpWord& word() const { return word_; }

 private:
  struct Prefix {
    uint64_t magic;
    uint32_t version;
    uint32_t kind;
    uint64_t length;
  };
  friend bool send_word(const TcpSocket&, const TcpWord&, Deadline);

  Prefix prefix_ = {};
  int64_t got_ = 0;  // bytes of prefix and text
  TcpWord word_;
};

/// Waits for one word; the state is incomplete when the deadline passes.
TcpWordReader::State wait_for_word(const TcpSocket& socket, TcpWordReader& reader, Deadline deadline);

}  // namespace moesaic::executor
