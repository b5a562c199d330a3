#include "executor/nccl/nccl_communicators.h"

#include <exception>
#include <ranges>
#include <thread>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

ncclConfig_t non_blocking() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  return config;
}

}  // namespace

NcclCommunicators::NcclCommunicators(const NcclApi& api, Seconds time_limit)
    : api_(api), time_limit_(time_limit), exceptions_(std::uncaught_exceptions()) {}

NcclCommunicators::~NcclCommunicators() {
  if (!failure_.empty()) return;
  if (std::uncaught_exceptions() > exceptions_) {
    abort("nccl: this rank ends with an error");
    return;
  }
  try {
    for (ncclComm_t comm : comms_ | std::views::reverse)
      settle(comm, api_.comm_finalize(comm), "end of a communicator");
  } catch (const DeviceError&) {
    return;  // it has aborted them; a destructor has nobody to tell
  }
  for (ncclComm_t comm : comms_ | std::views::reverse) (void)api_.comm_destroy(comm);
}

ncclComm_t NcclCommunicators::create(int num_ranks, const ncclUniqueId& id, int rank) {
  ncclConfig_t config = non_blocking();
  ncclComm_t& comm = comms_.emplace_back(nullptr);
  const ncclResult_t result = api_.comm_init_rank_config(&comm, num_ranks, id, rank, &config);
  settle(comm, result, "communicator of " + std::to_string(num_ranks) + " ranks");
  return comm;
}

ncclComm_t NcclCommunicators::split(ncclComm_t parent, int colour, int key) {
  require_usable();
  ncclConfig_t config = non_blocking();
  ncclComm_t& comm = comms_.emplace_back(nullptr);
  const ncclResult_t result = api_.comm_split(parent, colour, key, &comm, &config);
  const std::string operation = "split of a communicator, colour " + std::to_string(colour);
  settle(parent, result, operation);  // the new one exists only when its parent is ready again
  settle(comm, state(comm), operation);
  return comm;
}

ncclResult_t NcclCommunicators::state(ncclComm_t comm) const {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t answer = api_.comm_get_async_error(comm, &state);
  return answer == ncclSuccess ? state : answer;
}

void NcclCommunicators::require_usable() const {
  if (!failure_.empty()) throw DeviceError(failure_);
}

void NcclCommunicators::settle(ncclComm_t comm, ncclResult_t result, const std::string& operation) {
  require_usable();
  const Clock::time_point end = deadline();
  while (result == ncclInProgress) {
    if (Clock::now() > end) fail(comm, operation, "not begun after " + time_limit_text());
    std::this_thread::yield();
    result = state(comm);
  }
  if (result != ncclSuccess) fail(comm, operation, api_.get_error_string(result));
}

void NcclCommunicators::check(ncclComm_t comm, const std::string& operation) {
  require_usable();
  const ncclResult_t result = state(comm);
  if (result != ncclSuccess && result != ncclInProgress) fail(comm, operation, api_.get_error_string(result));
}

void NcclCommunicators::fail(ncclComm_t comm, const std::string& operation, const std::string& reason) {
  const char* last = api_.get_last_error(comm);
  const std::string text = last == nullptr || *last == '\0' ? "" : std::string("; NCCL's last error: ") + last;
  abort("nccl: " + operation + ": " + reason + text);
  throw DeviceError(failure_);
}

void NcclCommunicators::abort(const std::string& reason) {
  if (!failure_.empty()) return;
  failure_ = reason.empty() ? "nccl: aborted" : reason;
  (void)api_.group_start();  // one group: each alone would wait for the device, which the others keep busy
  for (ncclComm_t comm : comms_ | std::views::reverse)
    if (comm != nullptr) (void)api_.comm_abort(comm);
  (void)api_.group_end();
}

NcclCommunicators::Clock::time_point NcclCommunicators::deadline() const {
  if (time_limit_ <= 0) return Clock::time_point::max();
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(time_limit_));
}

std::string NcclCommunicators::time_limit_text() const { return format_seconds(time_limit_); }

}  // namespace moesaic::executor
