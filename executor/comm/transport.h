#pragma once
// Point-to-point messages between ranks, all nonblocking: the seam below which MPI and threads of one process are the
// same. It is not a communicator: it knows no groups and no collectives, and one transport belongs to one thread.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace moesaic::executor {

/// One message in flight. A default-constructed request is finished. Destroying an unfinished request withdraws it as
/// far as the transport can; the peer then never completes, so this is for unwinding before abort(), not for normal
/// use.
class Request {
 public:
  struct State {
    virtual ~State() = default;
  };

  Request() = default;
  explicit Request(std::unique_ptr<State> state) : state_(std::move(state)) {}

  bool finished() const { return state_ == nullptr; }
  State* state() const { return state_.get(); }
  void finish() { state_.reset(); }

 private:
  std::unique_ptr<State> state_;
};

struct LinkTraffic {
  int64_t messages = 0;
  int64_t bytes = 0;
  bool operator==(const LinkTraffic&) const = default;
};

/// What one rank has sent since its transport was made. A message to oneself counts as intra-node.
struct Traffic {
  LinkTraffic intra_node;
  LinkTraffic inter_node;
  bool operator==(const Traffic&) const = default;
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// The node of a rank, numbered from 0 in order of first appearance.
  virtual int node(int rank) const = 0;

  /// Messages match on (from, to, tag), in posting order, and must have the same size on both sides. The buffer belongs
  /// to the transport until test() says finished. Throws DeviceError after abort() or when the transport fails.
  virtual Request send(int to, int64_t tag, const void* data, int64_t bytes) = 0;
  virtual Request receive(int from, int64_t tag, void* data, int64_t bytes) = 0;
  /// Makes progress on every message of this rank; true once `request` has finished, and ever after.
  virtual bool test(Request& request) = 0;

  /// Ends communication for all ranks, because one of them cannot go on. Later calls on any rank throw DeviceError;
  /// under MPI the launcher ends all processes, the calling one included.
  virtual void abort(const std::string& reason) = 0;

  const Traffic& traffic() const { return traffic_; }

 protected:
  void count(int to, int64_t bytes) {
    LinkTraffic& link = node(to) == node(rank()) ? traffic_.intra_node : traffic_.inter_node;
    ++link.messages;
    link.bytes += bytes;
  }

 private:
  Traffic traffic_;
};

}  // namespace moesaic::executor
