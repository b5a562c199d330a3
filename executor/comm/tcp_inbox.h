#pragma once
// What one rank receives from another: matches messages with receives on the tag, in order, and reads each straight
// into its receive's buffer, or, when it comes before its receive, into memory of its own. It does not wait.

#include <cstddef>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "executor/comm/tcp_frame.h"
#include "executor/comm/tcp_socket.h"

namespace moesaic::executor {

struct TcpReceive {
  int64_t tag = 0;
  std::byte* data = nullptr;  // [bytes], of the caller
  int64_t bytes = 0;
  bool finished = false;
};

/// Memory for early messages is limited: beyond `early_bytes` nothing more is read, and the sender is held by its full
/// connection, while no receive from it waits. While one waits, everything is read whatever it takes, because what
/// that receive waits for may stand behind; so a job ends wherever it would with unlimited memory.
class TcpInbox {
 public:
  enum class Event { kNothing, kClosed, kGoodbye, kAbort };

  explicit TcpInbox(int64_t early_bytes) : early_limit_(early_bytes) {}

  /// The receive belongs to the inbox until it has finished or is withdrawn. These three throw InvariantError where
  /// sizes disagree.
  void post(TcpReceive& receive);
  Event read(const TcpSocket& socket);
  /// A message of this rank to itself.
  void deliver(int64_t tag, const void* data, int64_t bytes);

  void withdraw(TcpReceive& receive);
  /// False while the next message is held back.
  bool wants_to_read() const { return !held_ || waiting_ > 0; }
  /// Receives whose message has not begun to come.
  int waiting() const { return waiting_; }
  /// Why the other rank has aborted.
  const std::string& reason() const { return reason_; }

 private:
  struct Early {
    std::unique_ptr<std::byte[]> data;
    int64_t bytes = 0;
    bool complete = false;
  };

  TcpReceive* take_posted(int64_t tag);
  std::byte* add_early(int64_t tag, int64_t bytes);
  bool begin_frame();
  Event end_frame();

  const int64_t early_limit_;
  int64_t early_held_ = 0;  // bytes
  int waiting_ = 0;
  std::unordered_map<int64_t, std::deque<TcpReceive*>> posted_;
  std::unordered_map<int64_t, std::list<Early>> early_;

  // The frame that is coming in.
  TcpFrame frame_;
  int64_t header_got_ = 0;  // bytes
  bool begun_ = false, held_ = false;
  std::byte* next_ = nullptr;  // where its next byte goes
  int64_t left_ = 0;           // bytes
  TcpReceive* receive_ = nullptr;
  Early* coming_ = nullptr;
  std::vector<std::byte> discarded_;
  std::string reason_;
};

}  // namespace moesaic::executor
