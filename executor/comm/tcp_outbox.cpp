#include "executor/comm/tcp_outbox.h"

#include <algorithm>

namespace moesaic::executor {

void TcpOutbox::push(TcpFrame::Kind kind, const std::string& text) {
  auto message = std::make_shared<TcpOutgoing>();
  message->frame = {kind, 0, static_cast<int64_t>(text.size())};
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  message->kept.assign(bytes, bytes + text.size());
  message->data = message->kept.data();
  queue_.push_back(std::move(message));
}

bool TcpOutbox::write(const TcpSocket& socket) {
  constexpr int64_t kHeader = sizeof(TcpFrame);
  while (!queue_.empty()) {
    TcpOutgoing& message = *queue_.front();
    const int64_t header_sent = std::min(message.sent, kHeader), data_sent = message.sent - header_sent;
    const int64_t count = send_some(socket, reinterpret_cast<const std::byte*>(&message.frame) + header_sent,
                                    kHeader - header_sent, message.data + data_sent, message.frame.bytes - data_sent);
    if (count < 0) return false;
    if (count == 0) return true;
    message.sent += count;
    if (message.finished()) queue_.pop_front();
  }
  return true;
}

void TcpOutbox::withdraw(const std::shared_ptr<TcpOutgoing>& message) {
  if (message->finished()) return;
  if (!message->begun()) {
    std::erase(queue_, message);
    return;
  }
  message->kept.assign(message->data, message->data + message->frame.bytes);
  message->data = message->kept.data();
}

void TcpOutbox::clear() {
  const bool keep = !queue_.empty() && queue_.front()->begun();
  queue_.erase(queue_.begin() + (keep ? 1 : 0), queue_.end());
}

}  // namespace moesaic::executor
