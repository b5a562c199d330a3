#pragma once
// One rank's connection to another, both ways.

#include "executor/comm/tcp_inbox.h"
#include "executor/comm/tcp_outbox.h"
#include "executor/comm/tcp_socket.h"

namespace moesaic::executor {

struct TcpPeer {
  TcpPeer(TcpSocket connection, int64_t early_bytes) : socket(std::move(connection)), inbox(early_bytes) {}

  TcpSocket socket;  // not open: this rank itself
  TcpOutbox outbox;
  TcpInbox inbox;
  bool gone = false;       // it has said goodbye
  bool unsayable = false;  // nothing can be sent to it any more
};

}  // namespace moesaic::executor
