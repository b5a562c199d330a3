#include "executor/comm/tcp_farewell.h"

#include <poll.h>
#include <sys/socket.h>

namespace moesaic::executor {
namespace {

/// Forgets what has come; false when the connection is over.
bool discard(const TcpSocket& socket) {
  constexpr int kReads = 64;  // then the others have their turn
  char bytes[1 << 16];
  for (int i = 0; i < kReads; ++i) {
    const int64_t count = receive_some(socket, bytes, sizeof bytes);
    if (count <= 0) return count == 0;
  }
  return true;
}

/// One step with one peer; false when nothing is left to do.
bool part_from(TcpPeer& peer, bool until_closed) {
  if (!discard(peer.socket) || !peer.outbox.write(peer.socket)) {
    peer.socket.close();
    return false;
  }
  if (until_closed && peer.outbox.empty()) shutdown(peer.socket.descriptor(), SHUT_WR);
  return until_closed || !peer.outbox.empty();
}

}  // namespace

void leave(std::deque<TcpPeer>& peers, std::optional<Deadline> deadline) {
  for (;;) {
    std::vector<pollfd> waiting;
    for (TcpPeer& peer : peers) {
      if (!peer.socket.is_open() || !part_from(peer, deadline.has_value())) continue;
      const short wanted = POLLIN | (peer.outbox.empty() ? 0 : POLLOUT);
      waiting.push_back({peer.socket.descriptor(), wanted, 0});
    }
    const int wait_ms = deadline ? milliseconds_until(*deadline) : 1000;
    if (waiting.empty() || wait_ms == 0) return;
    poll(waiting.data(), waiting.size(), wait_ms);
  }
}

}  // namespace moesaic::executor
