#pragma once
// N ranks as threads of one process: a mailbox per rank, one copy from the sender's buffer to the receiver's, and links
// that can be given a latency and a rate. It does not create the threads, and it moves no data in the background.

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "executor/comm/transport.h"

namespace moesaic::executor {

/// One direction of a link. A message occupies it for message_s + bytes / bytes_per_s and finishes latency_s later.
struct LinkModel {
  double latency_s = 0.0;
  double bytes_per_s = std::numeric_limits<double>::infinity();
  double message_s = 0.0;
};

struct LocalOptions {
  int ranks_per_node = 0;  // 0: all ranks share one node
  LinkModel intra_node;
  LinkModel inter_node;
  /// 0: each direction between two ranks is a link of its own,
  ///   due = max(sent, receive posted, direction free) + message_s + bytes / bytes_per_s + latency_s.
  /// Else links are ports, an intra-node one per rank and this many network cards per node, shared by neighbours.
  /// A message occupies its sender's port and, from its first byte on, its receiver's, each for message_s + bytes /
  /// bytes_per_s in the order of time, and is due latency_s after it has passed both.
  int cards_per_node = 0;
};

/// Owns the transports of all ranks and must outlive their use. Rank r's transport is used by one thread at a time.
class LocalWorld {
 public:
  explicit LocalWorld(int size, LocalOptions options = {});
  ~LocalWorld();
  LocalWorld(const LocalWorld&) = delete;
  LocalWorld& operator=(const LocalWorld&) = delete;

  int size() const { return static_cast<int>(transports_.size()); }
  Transport& transport(int rank);
  /// From any thread: every later send, receive and test of every rank throws DeviceError with the first reason given.
  void abort(const std::string& reason);

 private:
  struct Shared;
  class LocalTransport;

  std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<LocalTransport>> transports_;  // [size]
};

}  // namespace moesaic::executor
