#include "executor/comm/tcp_inbox.h"

#include <algorithm>
#include <cstring>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kTurnBytes = 4 << 20;  // after which other connections have their turn

void check_sizes(int64_t sent, int64_t expected) {
  MOESAIC_CHECK(sent == expected,
                "a rank sends " + std::to_string(sent) + " bytes where " + std::to_string(expected) + " are expected");
}

void copy_bytes(void* to, const void* from, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}

}  // namespace

void TcpInbox::post(TcpReceive& receive) {
  const auto queue = early_.find(receive.tag);
  if (queue == early_.end()) {
    posted_[receive.tag].push_back(&receive);
    ++waiting_;
    return;
  }
  Early& early = queue->second.front();
  check_sizes(early.bytes, receive.bytes);
  const bool complete = early.complete;
  const int64_t got = complete ? early.bytes : early.bytes - left_;
  copy_bytes(receive.data, early.data.get(), got);
  if (complete) {
    receive.finished = true;
  } else {  // the rest comes straight to its place
    receive_ = &receive;
    next_ = receive.data + got;
    coming_ = nullptr;
  }
  early_held_ -= early.bytes;
  queue->second.pop_front();
  if (queue->second.empty()) early_.erase(queue);
}

void TcpInbox::deliver(int64_t tag, const void* data, int64_t bytes) {
  if (TcpReceive* receive = take_posted(tag)) {
    check_sizes(bytes, receive->bytes);
    copy_bytes(receive->data, data, bytes);
    receive->finished = true;
    return;
  }
  copy_bytes(add_early(tag, bytes), data, bytes);
  early_[tag].back().complete = true;
}

void TcpInbox::withdraw(TcpReceive& receive) {
  if (receive.finished) return;
  if (receive_ == &receive) {  // the message has begun, and is read to its end
    discarded_.resize(static_cast<size_t>(left_));
    next_ = discarded_.data();
    receive_ = nullptr;
    return;
  }
  const auto queue = posted_.find(receive.tag);
  if (queue == posted_.end() || std::erase(queue->second, &receive) == 0) return;
  --waiting_;
  if (queue->second.empty()) posted_.erase(queue);
}

TcpInbox::Event TcpInbox::read(const TcpSocket& socket) {
  for (int64_t read = 0; read < kTurnBytes;) {
    if (header_got_ < static_cast<int64_t>(sizeof frame_)) {
      const int64_t count = receive_some(socket, reinterpret_cast<std::byte*>(&frame_) + header_got_,
                                         static_cast<int64_t>(sizeof frame_) - header_got_);
      if (count <= 0) return count < 0 ? Event::kClosed : Event::kNothing;
      header_got_ += count;
      read += count;
      continue;
    }
    if (!begun_ && !begin_frame()) return Event::kNothing;
    if (left_ > 0) {
      const int64_t count = receive_some(socket, next_, left_);
      if (count <= 0) return count < 0 ? Event::kClosed : Event::kNothing;
      next_ += count;
      left_ -= count;
      read += count;
    }
    if (left_ > 0) continue;
    if (const Event event = end_frame(); event != Event::kNothing) return event;
  }
  return Event::kNothing;
}

TcpReceive* TcpInbox::take_posted(int64_t tag) {
  const auto queue = posted_.find(tag);
  if (queue == posted_.end()) return nullptr;
  TcpReceive* receive = queue->second.front();
  queue->second.pop_front();
  if (queue->second.empty()) posted_.erase(queue);
  --waiting_;
  return receive;
}

std::byte* TcpInbox::add_early(int64_t tag, int64_t bytes) {
  std::list<Early>& queue = early_[tag];
  queue.push_back({std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(bytes)), bytes, false});
  early_held_ += bytes;
  return queue.back().data.get();
}

/// Finds the place of a frame's bytes; false when it has to wait.
bool TcpInbox::begin_frame() {
  left_ = frame_.bytes;
  if (frame_.kind == TcpFrame::kAbort) {
    reason_.resize(static_cast<size_t>(frame_.bytes));
    next_ = reinterpret_cast<std::byte*>(reason_.data());
  } else if (frame_.kind == TcpFrame::kMessage) {
    receive_ = take_posted(frame_.tag);
    if (receive_ != nullptr) {
      check_sizes(frame_.bytes, receive_->bytes);
      next_ = receive_->data;
    } else {
      held_ = waiting_ == 0 && early_held_ + frame_.bytes > early_limit_;
      if (held_) return false;
      next_ = add_early(frame_.tag, frame_.bytes);
      coming_ = &early_[frame_.tag].back();
    }
  }
  held_ = false;
  begun_ = true;
  return true;
}

TcpInbox::Event TcpInbox::end_frame() {
  if (receive_ != nullptr) receive_->finished = true;
  if (coming_ != nullptr) coming_->complete = true;
  receive_ = nullptr;
  coming_ = nullptr;
  header_got_ = 0;
  begun_ = false;
  discarded_.clear();
  if (frame_.kind == TcpFrame::kAbort) return Event::kAbort;
  return frame_.kind == TcpFrame::kGoodbye ? Event::kGoodbye : Event::kNothing;
}

}  // namespace moesaic::executor
