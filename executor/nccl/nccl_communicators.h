#pragma once
// The NCCL communicators of one rank, all non-blocking: they are made, polled, ended and aborted together. It starts no
// collective and knows nothing of streams.

#include <chrono>
#include <deque>
#include <string>

#include "core/schema/units.h"
#include "executor/nccl/nccl_api.h"

namespace moesaic::executor {

class NcclCommunicators {
 public:
  /// `api` must outlive it. time_limit 0: none.
  NcclCommunicators(const NcclApi& api, Seconds time_limit);
  /// Ends all communicators together with the other ranks; aborts them where an exception unwinds, or where that lasts
  /// longer than the time limit.
  ~NcclCommunicators();
  NcclCommunicators(const NcclCommunicators&) = delete;
  NcclCommunicators& operator=(const NcclCommunicators&) = delete;

  /// Both are collective, return when the communicator can be used, and throw DeviceError beyond the time limit.
  /// Ranks that give the same colour get a common communicator, in the order of their keys.
  ncclComm_t create(int num_ranks, const ncclUniqueId& id, int rank);
  ncclComm_t split(ncclComm_t parent, int colour, int key);

  /// The rule of non-blocking mode in one place: a call that answers ncclInProgress works on in the background, and its
  /// communicator may not be used, nor its stream be trusted to hold the work, until ncclCommGetAsyncError has stopped
  /// saying so. Polls until then, and turns every other answer than ncclSuccess into a failure.
  void settle(ncclComm_t comm, ncclResult_t result, const std::string& operation);
  /// A failure where the communicator has met an error since.
  void check(ncclComm_t comm, const std::string& operation);
  /// Aborts, then throws DeviceError naming the operation, the reason and NCCL's last message.
  [[noreturn]] void fail(ncclComm_t comm, const std::string& operation, const std::string& reason);

  /// Ends what runs on the device, once; from then on check() and settle() throw DeviceError with the first reason.
  void abort(const std::string& reason);

  const NcclApi& api() const { return api_; }

  using Clock = std::chrono::steady_clock;
  Clock::time_point deadline() const;  // of what starts now
  std::string time_limit_text() const;

 private:
  ncclResult_t state(ncclComm_t comm) const;
  void require_usable() const;

  const NcclApi& api_;
  Seconds time_limit_;
  int exceptions_;
  std::string failure_;           // empty: none, nothing aborted
  std::deque<ncclComm_t> comms_;  // NCCL writes to them in the background, so they do not move
};

}  // namespace moesaic::executor
