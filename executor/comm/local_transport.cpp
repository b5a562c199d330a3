#include "executor/comm/local_transport.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

using Clock = std::chrono::steady_clock;

/// Shared by the sender's request and the receiver's mailbox. The receiver copies; `due` is set before kCopied is.
struct Message {
  enum Stage : int { kPosted, kCopying, kCopied, kWithdrawn };

  int from = 0;
  int64_t tag = 0;
  const void* data = nullptr;
  int64_t bytes = 0;
  Clock::time_point leaves, left;  // first and last byte
  Clock::time_point due;
  std::atomic<int> stage{kPosted};
};

struct LocalState : Request::State {
  virtual bool finished(Clock::time_point now) const = 0;
};

struct LocalSend final : LocalState {
  explicit LocalSend(std::shared_ptr<Message> posted) : message(std::move(posted)) {}
  // The buffer dies with its owner: take the message back, or let a copy that has begun come to its end.
  ~LocalSend() override {
    int stage = Message::kPosted;
    message->stage.compare_exchange_strong(stage, Message::kWithdrawn);
    while (message->stage.load(std::memory_order_acquire) == Message::kCopying) std::this_thread::yield();
  }
  bool finished(Clock::time_point now) const override {
    return message->stage.load(std::memory_order_acquire) == Message::kCopied && now >= message->due;
  }

  std::shared_ptr<Message> message;
};

struct Key {
  int from;
  int64_t tag;
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  size_t operator()(const Key& key) const {
    const uint64_t mixed =
        (static_cast<uint64_t>(key.tag) ^ (static_cast<uint64_t>(key.from) << 40)) * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(mixed ^ (mixed >> 32));
  }
};

struct LocalReceive;

/// Everything posted under one (from, tag) and not matched yet; at most one of the two queues has entries.
struct Channel {
  std::deque<std::shared_ptr<Message>> sends;
  std::deque<LocalReceive*> receives;
};

using Channels = std::unordered_map<Key, Channel, KeyHash>;

struct LocalReceive final : LocalState {
  ~LocalReceive() override {
    if (copied) return;
    const auto channel = channels->find(key);
    if (channel != channels->end()) std::erase(channel->second.receives, this);
  }
  bool finished(Clock::time_point now) const override { return copied && now >= due; }

  Key key{};
  void* data = nullptr;
  int64_t bytes = 0;
  Clock::time_point posted;
  Clock::time_point due;
  bool copied = false;
  Channels* channels = nullptr;
};

struct Mailbox {
  std::mutex mutex;
  std::vector<std::shared_ptr<Message>> arrived;
  std::atomic<bool> has_mail{false};
};

bool is_instant(const LinkModel& link) {
  return link.latency_s == 0.0 && std::isinf(link.bytes_per_s) && link.message_s == 0.0;
}

// A delay of over a century would overflow the clock's 64-bit nanoseconds.
Clock::duration to_duration(double seconds) {
  return std::chrono::ceil<Clock::duration>(std::chrono::duration<double>(std::min(seconds, 3e9)));
}

Clock::duration occupancy(const LinkModel& link, int64_t bytes) {
  return to_duration(link.message_s + static_cast<double>(bytes) / link.bytes_per_s);
}

/// A stretch of time.
struct Interval {
  Clock::time_point begin, end;
};

/// One direction of a port. Ranks learn of messages before these pass and in no order of time, so a message takes what
/// earlier ones have left, in several pieces if need be, as packets do.
class Port {
 public:
  /// The time from `ready` on in which `length` of the port's time is free.
  Interval reserve(Clock::time_point ready, Clock::duration length) {
    const std::lock_guard lock(mutex_);
    const Clock::time_point now = Clock::now();
    std::erase_if(busy_, [now](const Interval& interval) { return interval.end < now; });
    std::vector<Interval> pieces;
    for (const Interval& other : busy_) {
      if (ready < other.begin) {
        const Clock::duration piece = std::min(length, other.begin - ready);
        pieces.push_back({ready, ready + piece});
        length -= piece;
        if (length == Clock::duration::zero()) break;
      }
      ready = std::max(ready, other.end);
    }
    if (pieces.empty() || length > Clock::duration::zero()) pieces.push_back({ready, ready + length});
    busy_.insert(busy_.end(), pieces.begin(), pieces.end());
    std::sort(busy_.begin(), busy_.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
    return {pieces.front().begin, pieces.back().end};
  }

 private:
  std::mutex mutex_;
  std::vector<Interval> busy_;  // ascending, disjoint
};

}  // namespace

struct LocalWorld::Shared {
  Shared(int size, LocalOptions chosen)
      : options(chosen),
        delayed(!is_instant(chosen.intra_node) || !is_instant(chosen.inter_node)),
        mailboxes(size),
        out_ports(chosen.cards_per_node > 0 ? 2 * size : 0),
        in_ports(out_ports.size()) {}

  int node(int rank) const { return options.ranks_per_node > 0 ? rank / options.ranks_per_node : 0; }

  const LinkModel& link(int from, int to) const {
    return node(from) == node(to) ? options.intra_node : options.inter_node;
  }

  /// Which port of a rank leads to a peer: its own inside the node, else the card that it shares with its neighbours,
  /// numbered by the first rank that uses it.
  size_t port(int rank, int peer) const {
    if (node(rank) == node(peer)) return static_cast<size_t>(rank);
    const int ranks = options.ranks_per_node, cards = std::min(options.cards_per_node, ranks);
    const int card = rank % ranks * cards / ranks;
    return mailboxes.size() + static_cast<size_t>(node(rank) * ranks + (card * ranks + cards - 1) / cards);
  }

  void check_alive() {
    if (!aborted.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(reason_mutex);
    throw DeviceError("communication was aborted: " + reason);
  }

  const LocalOptions options;
  const bool delayed;                     // without delays nobody needs to read the clock
  std::vector<Mailbox> mailboxes;         // [size]
  std::vector<Port> out_ports, in_ports;  // [2 * size] where links are ports: inside the node, then cards
  std::atomic<bool> aborted{false};
  std::mutex reason_mutex;
  std::string reason;
};

class LocalWorld::LocalTransport final : public Transport {
 public:
  LocalTransport(LocalWorld& world, int rank, int size)
      : world_(world), shared_(*world.shared_), rank_(rank), size_(size), direction_free_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int node(int rank) const override { return shared_.node(rank); }

  Request send(int to, int64_t tag, const void* data, int64_t bytes) override;
  Request receive(int from, int64_t tag, void* data, int64_t bytes) override;
  bool test(Request& request) override;
  void abort(const std::string& reason) override { world_.abort(reason); }

 private:
  Clock::time_point now() const { return shared_.delayed ? Clock::now() : Clock::time_point{}; }
  Interval leave(int to, int64_t bytes);
  void read_mail();
  void match(const Key& key);
  bool copy(Message& message, LocalReceive& receive);
  Clock::time_point due(const Message& message, const LocalReceive& receive);

  LocalWorld& world_;
  Shared& shared_;
  int rank_;
  int size_;
  Channels channels_;
  std::deque<Key> matchable_;                      // channels that have both a send and a receive
  std::vector<std::shared_ptr<Message>> mail_;     // kept between calls for its capacity
  std::vector<Clock::time_point> direction_free_;  // [size] when the direction from that rank to this one is next idle
};

Request LocalWorld::LocalTransport::send(int to, int64_t tag, const void* data, int64_t bytes) {
  shared_.check_alive();
  MOESAIC_CHECK(to >= 0 && to < size_ && bytes >= 0, "a message needs an existing receiver and a size");
  auto message = std::make_shared<Message>();
  message->from = rank_;
  message->tag = tag;
  message->data = data;
  message->bytes = bytes;
  const auto [leaves, left] = leave(to, bytes);
  message->leaves = leaves;
  message->left = left;
  Mailbox& mailbox = shared_.mailboxes[to];
  {
    const std::lock_guard lock(mailbox.mutex);
    mailbox.arrived.push_back(message);
    mailbox.has_mail.store(true, std::memory_order_release);
  }
  count(to, bytes);
  return Request(std::make_unique<LocalSend>(std::move(message)));
}

Request LocalWorld::LocalTransport::receive(int from, int64_t tag, void* data, int64_t bytes) {
  shared_.check_alive();
  MOESAIC_CHECK(from >= 0 && from < size_ && bytes >= 0, "a message needs an existing sender and a size");
  auto receive = std::make_unique<LocalReceive>();
  receive->key = {from, tag};
  receive->data = data;
  receive->bytes = bytes;
  receive->posted = now();
  receive->channels = &channels_;
  Channel& channel = channels_[receive->key];
  channel.receives.push_back(receive.get());
  // Nothing is copied here: posting stays cheap, so that this rank's own sends leave before it spends time on others'.
  if (!channel.sends.empty()) matchable_.push_back(receive->key);
  return Request(std::move(receive));
}

bool LocalWorld::LocalTransport::test(Request& request) {
  shared_.check_alive();
  read_mail();
  while (!matchable_.empty()) {
    const Key key = matchable_.front();
    matchable_.pop_front();
    match(key);
  }
  if (request.finished()) return true;
  if (!static_cast<LocalState*>(request.state())->finished(now())) return false;
  request.finish();
  return true;
}

void LocalWorld::LocalTransport::read_mail() {
  Mailbox& mailbox = shared_.mailboxes[rank_];
  if (!mailbox.has_mail.load(std::memory_order_acquire)) return;
  {
    const std::lock_guard lock(mailbox.mutex);
    mail_.swap(mailbox.arrived);
    mailbox.has_mail.store(false, std::memory_order_relaxed);
  }
  for (std::shared_ptr<Message>& message : mail_) {
    const Key key{message->from, message->tag};
    Channel& channel = channels_[key];
    channel.sends.push_back(std::move(message));
    if (!channel.receives.empty()) matchable_.push_back(key);
  }
  mail_.clear();
}

void LocalWorld::LocalTransport::match(const Key& key) {
  const auto entry = channels_.find(key);
  if (entry == channels_.end()) return;
  auto& [sends, receives] = entry->second;
  while (!sends.empty() && !receives.empty()) {
    const std::shared_ptr<Message> message = std::move(sends.front());
    sends.pop_front();
    if (copy(*message, *receives.front())) receives.pop_front();
  }
  if (sends.empty() && receives.empty()) channels_.erase(entry);
}

bool LocalWorld::LocalTransport::copy(Message& message, LocalReceive& receive) {
  MOESAIC_CHECK(message.bytes == receive.bytes,
                "rank " + std::to_string(message.from) + " sends " + std::to_string(message.bytes) + " bytes, rank " +
                    std::to_string(rank_) + " expects " + std::to_string(receive.bytes));
  int stage = Message::kPosted;
  if (!message.stage.compare_exchange_strong(stage, Message::kCopying, std::memory_order_acq_rel)) return false;
  if (message.bytes > 0) std::memcpy(receive.data, message.data, static_cast<size_t>(message.bytes));
  message.due = receive.due = due(message, receive);
  receive.copied = true;
  message.stage.store(Message::kCopied, std::memory_order_release);
  return true;
}

Interval LocalWorld::LocalTransport::leave(int to, int64_t bytes) {
  const Clock::time_point ready = now();
  if (!shared_.delayed || shared_.out_ports.empty()) return {ready, ready};
  return shared_.out_ports[shared_.port(rank_, to)].reserve(ready, occupancy(shared_.link(rank_, to), bytes));
}

Clock::time_point LocalWorld::LocalTransport::due(const Message& message, const LocalReceive& receive) {
  if (!shared_.delayed) return {};
  const LinkModel& link = shared_.link(message.from, rank_);
  const Clock::duration occupied = occupancy(link, message.bytes);
  const Clock::time_point ready = std::max(message.leaves, receive.posted);
  if (!shared_.in_ports.empty()) {
    Port& port = shared_.in_ports[shared_.port(rank_, message.from)];
    return std::max(message.left, port.reserve(ready, occupied).end) + to_duration(link.latency_s);
  }
  Clock::time_point& free = direction_free_[message.from];
  free = std::max(ready, free) + occupied;
  return free + to_duration(link.latency_s);
}

LocalWorld::LocalWorld(int size, LocalOptions options) {
  MOESAIC_CHECK(size > 0 && options.ranks_per_node >= 0 && options.cards_per_node >= 0,
                "a world needs at least one rank");
  for (const LinkModel& link : {options.intra_node, options.inter_node}) {
    MOESAIC_CHECK(link.latency_s >= 0.0 && link.bytes_per_s > 0.0 && link.message_s >= 0.0,
                  "a link needs times >= 0 and a rate > 0");
  }
  shared_ = std::make_unique<Shared>(size, options);
  for (int rank = 0; rank < size; ++rank) transports_.push_back(std::make_unique<LocalTransport>(*this, rank, size));
}

LocalWorld::~LocalWorld() = default;

Transport& LocalWorld::transport(int rank) {
  MOESAIC_CHECK(rank >= 0 && rank < size(), "the world has no rank " + std::to_string(rank));
  return *transports_[rank];
}

void LocalWorld::abort(const std::string& reason) {
  const std::lock_guard lock(shared_->reason_mutex);
  if (shared_->aborted.load(std::memory_order_relaxed)) return;
  shared_->reason = reason;
  shared_->aborted.store(true, std::memory_order_release);
}

}  // namespace moesaic::executor
