#pragma once
// What one rank has yet to send to another, in order. It does not wait: write() sends what the kernel takes.

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "executor/comm/tcp_frame.h"
#include "executor/comm/tcp_socket.h"

namespace moesaic::executor {

struct TcpOutgoing {
  TcpFrame frame;
  const std::byte* data = nullptr;  // [frame.bytes], of the caller
  int64_t sent = 0;                 // bytes of header and data
  std::vector<std::byte> kept;      // the data, of a message that has lost its caller on the way

  bool begun() const { return sent > 0; }
  bool finished() const { return sent == static_cast<int64_t>(sizeof frame) + frame.bytes; }
};

class TcpOutbox {
 public:
  void push(std::shared_ptr<TcpOutgoing> message) { queue_.push_back(std::move(message)); }
  /// Of a frame that the outbox keeps itself.
  void push(TcpFrame::Kind kind, const std::string& text);
  bool empty() const { return queue_.empty(); }

  /// False when the connection is over.
  bool write(const TcpSocket& socket);
  /// Its caller's data goes away: forgets it, or keeps a copy if it has begun, since a frame cannot be cut short.
  void withdraw(const std::shared_ptr<TcpOutgoing>& message);
  /// Forgets all that has not begun.
  void clear();

 private:
  std::deque<std::shared_ptr<TcpOutgoing>> queue_;
};

}  // namespace moesaic::executor
