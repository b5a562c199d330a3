#include "executor/checkpoint/text_gather.h"

#include <thread>

namespace moesaic::executor {

TextGather::TextGather(Communicator& communicator, int64_t sequence, std::string text)
    : communicator_(communicator),
      sequence_(sequence),
      own_(std::move(text)),
      own_bytes_(static_cast<int64_t>(own_.size())),
      bytes_(static_cast<size_t>(communicator.size())),
      sizes_(communicator.all_gather(sequence, &own_bytes_, sizeof own_bytes_, bytes_.data())) {}

void TextGather::start_texts() {
  int64_t total = 0;
  for (int64_t bytes : bytes_) {
    offsets_.push_back(total);
    total += bytes;
  }
  all_.resize(static_cast<size_t>(total));
  contents_ = communicator_.all_gather_v(sequence_ + 1, own_.data(), all_.data(), bytes_, offsets_);
}

bool TextGather::poll() {
  if (!texts_.empty()) return true;
  if (!contents_) {
    if (!sizes_->poll()) return false;
    start_texts();
  }
  if (!contents_->poll()) return false;
  for (size_t i = 0; i < bytes_.size(); ++i)
    texts_.push_back(all_.substr(static_cast<size_t>(offsets_[i]), static_cast<size_t>(bytes_[i])));
  return true;
}

void TextGather::wait() {
  while (!poll()) std::this_thread::yield();
}

}  // namespace moesaic::executor
