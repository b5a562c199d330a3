#pragma once
// Ranks as processes that are joined by TCP alone: whoever starts them (mpirun, Slurm, ssh) only says who is who. One
// connection per pair, no threads: messages move while test() is called, and as far as the kernel's buffers reach in
// between.

#include <poll.h>

#include <deque>
#include <string>
#include <vector>

#include "executor/comm/job_environment.h"
#include "executor/comm/tcp_peer.h"
#include "executor/comm/transport.h"

namespace moesaic::executor {

struct TcpOptions {
  /// 0: nodes are host names; else rank / ranks_per_node, to try out larger machines.
  int ranks_per_node = 0;
  double time_limit_s = 120;       // for all ranks to report
  int64_t early_bytes = 64 << 20;  // kept per peer for messages that come before their receive (tcp_inbox.h)
  std::string host_name;           // "" asks the system
};

/// A rank that dies, or is destroyed by an exception, ends the communication of all, as abort() does: every later call
/// throws DeviceError with the first reason that has arrived.
class TcpTransport final : public Transport {
 public:
  /// Collective (tcp_rendezvous.h); `listener` may be rank 0's, listening already.
  explicit TcpTransport(const JobEnvironment& job, TcpOptions options = {}, TcpSocket listener = {});
  /// Waits until the others have taken what was sent to them.
  ~TcpTransport() override;

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(peers_.size()); }
  int node(int rank) const override { return nodes_[rank]; }
  Request send(int to, int64_t tag, const void* data, int64_t bytes) override;
  Request receive(int from, int64_t tag, void* data, int64_t bytes) override;
  bool test(Request& request) override;
  /// Tells the other ranks and returns; ending the process is the caller's.
  void abort(const std::string& reason) override;

 private:
  void check_alive() const;
  void progress();
  void serve(int rank, short ready);
  [[noreturn]] void fail(const std::string& reason);
  [[noreturn]] void fail_after_goodbye(int rank, const std::string& what);

  int rank_;
  std::vector<int> nodes_;       // [size]
  std::deque<TcpPeer> peers_;    // [size], which stay where they are
  std::vector<pollfd> waiting_;  // [size], kept for its memory
  bool aborted_ = false;
  std::string reason_, lost_;  // of the abort; of a connection that has ended
  int exceptions_;             // in flight when this was made
};

}  // namespace moesaic::executor
