#pragma once
// The functions of NCCL that this room calls, as a table: filled from the library at run time, so that a binary starts
// where NCCL is not installed, or by a test. It adds nothing to the functions.

#include <nccl.h>

#include <string>

namespace moesaic::executor {

struct NcclApi {
  decltype(&::ncclGetVersion) get_version;
  decltype(&::ncclGetErrorString) get_error_string;
  decltype(&::ncclGetLastError) get_last_error;
  decltype(&::ncclGetUniqueId) get_unique_id;
  decltype(&::ncclCommInitRankConfig) comm_init_rank_config;
  decltype(&::ncclCommSplit) comm_split;
  decltype(&::ncclCommGetAsyncError) comm_get_async_error;
  decltype(&::ncclCommFinalize) comm_finalize;
  decltype(&::ncclCommDestroy) comm_destroy;
  decltype(&::ncclCommAbort) comm_abort;
  decltype(&::ncclGroupStart) group_start;
  decltype(&::ncclGroupEnd) group_end;
  decltype(&::ncclSend) send;
  decltype(&::ncclRecv) recv;
  decltype(&::ncclAllGather) all_gather;
  decltype(&::ncclReduceScatter) reduce_scatter;
  decltype(&::ncclAllReduce) all_reduce;
};

/// 2.22: the first version that aborts several communicators as one group, without which one that hangs on the device
/// keeps the others from being freed (PyTorch RFC 119797).
inline constexpr int kOldestNccl = NCCL_VERSION(2, 22, 0);

/// Throws DeviceError saying what is missing: the library, one of its functions, or a newer version.
NcclApi load_nccl(const std::string& library);
/// libnccl.so.2, loaded by the first call.
const NcclApi& nccl();

/// 22809 -> "2.28.9".
std::string nccl_version_text(int version);

}  // namespace moesaic::executor
