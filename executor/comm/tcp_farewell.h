#pragma once
// How a rank leaves its connections, so that the last words arrive: closing one with bytes unread would make the kernel
// throw away what is still on its way to the other side.

#include <deque>
#include <optional>

#include "executor/comm/tcp_peer.h"

namespace moesaic::executor {

/// Sends what the outboxes hold and reads on, forgetting what comes. Without a deadline until every outbox is empty or
/// its connection over; with one until every other rank has closed its side as well, or the deadline.
void leave(std::deque<TcpPeer>& peers, std::optional<Deadline> deadline);

}  // namespace moesaic::executor
