#pragma once
// Ranks as MPI processes: nonblocking MPI messages on a duplicate of MPI_COMM_WORLD, driven by one thread per process.
// It does not use MPI's collectives, and this header needs no mpi.h; its functions exist where MOESAIC_HAVE_MPI is
// defined.

#include <memory>
#include <string>

#include "executor/comm/transport.h"

namespace moesaic::executor {

/// Messages are cut into chunks of at most 1 GiB, because MPI counts are ints.
inline constexpr int64_t kMpiChunkBytes = int64_t{1} << 30;

/// Initialises MPI (MPI_THREAD_FUNNELED) unless somebody else has, and then finalises it. When it is destroyed by an
/// exception it does not finalise, which would wait for the other ranks: the process should end with an exit code other
/// than 0, and the launcher then ends the others.
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

 private:
  bool owned_;
  int exceptions_;
};

/// Used by the thread that made the MpiSession, and destroyed before it; its construction and destruction are
/// collective.
class MpiTransport final : public Transport {
 public:
  /// `ranks_per_node` 0: nodes are what MPI says shares memory; else rank / ranks_per_node, to try out larger machines.
  /// `chunk_bytes` must be the same on all ranks.
  explicit MpiTransport(const MpiSession& session, int ranks_per_node = 0, int64_t chunk_bytes = kMpiChunkBytes);
  ~MpiTransport() override;

  int rank() const override;
  int size() const override;
  int node(int rank) const override;
  Request send(int to, int64_t tag, const void* data, int64_t bytes) override;
  Request receive(int from, int64_t tag, void* data, int64_t bytes) override;
  bool test(Request& request) override;
  /// MPI_Abort with exit code 3: ends every process of the job. The reason is the caller's to print beforehand.
  void abort(const std::string& reason) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace moesaic::executor
