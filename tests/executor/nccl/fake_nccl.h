#pragma once
// A table of NCCL's functions that writes down its calls and answers as told. It moves no data and is one rank's: each
// thread has its own.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "executor/nccl/nccl_api.h"

namespace moesaic::executor {

using Calls = std::vector<std::string>;

/// The fake of this thread, while it lives. Communicators are called c1, c2, ... in the order in which they were made.
struct FakeNccl {
  FakeNccl() { current = this; }
  ~FakeNccl() { current = nullptr; }
  FakeNccl(const FakeNccl&) = delete;
  FakeNccl& operator=(const FakeNccl&) = delete;

  Calls calls;
  int slow_polls = 0;                           // so often does a call's communicator answer ncclInProgress afterwards
  bool hangs = false;                           // ... and for ever
  ncclResult_t async_error = ncclSuccess;       // of every communicator
  std::map<std::string, ncclResult_t> failing;  // "ncclSend" -> what it answers

  static inline thread_local FakeNccl* current = nullptr;
  static const NcclApi& api();

  /// Writes down a call that works on in the background unless it stands in a group, and gives its answer.
  ncclResult_t call(const std::string& function, const std::string& arguments) {
    calls.push_back(function.substr(4) + (arguments.empty() ? "" : " " + arguments));
    if (const auto found = failing.find(function); found != failing.end()) return found->second;
    if (in_group) return ncclSuccess;
    polls_left = slow_polls;
    return slow_polls > 0 || hangs ? ncclInProgress : ncclSuccess;
  }
  ncclResult_t poll() {
    calls.push_back("poll");
    if (async_error != ncclSuccess) return async_error;
    if (hangs) return ncclInProgress;
    return polls_left-- > 0 ? ncclInProgress : ncclSuccess;
  }
  ncclComm_t make() { return reinterpret_cast<ncclComm_t>(++made); }
  /// The calls since the last time, without polls.
  Calls taken() {
    std::erase(calls, "poll");
    return std::exchange(calls, {});
  }
  int count(const std::string& name) const {
    return static_cast<int>(
        std::count_if(calls.begin(), calls.end(), [&](const std::string& call) { return call.rfind(name, 0) == 0; }));
  }

  bool in_group = false;
  int polls_left = 0;
  intptr_t made = 0;
};

namespace fake_nccl {

inline FakeNccl& self() { return *FakeNccl::current; }
inline std::string name(ncclComm_t comm) { return "c" + std::to_string(reinterpret_cast<intptr_t>(comm)); }
inline std::string text(size_t number) { return std::to_string(number); }

inline const char* type_name(ncclDataType_t type) {
  return type == ncclUint8 ? "bytes" : type == ncclFloat32 ? "f32" : type == ncclBfloat16 ? "bf16" : "f64";
}
inline const char* error_string(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited" : result == ncclInvalidUsage ? "invalid usage" : "other";
}
inline ncclResult_t group(const char* function, bool opens) {
  self().in_group = opens;
  return self().call(function, "");
}
inline ncclResult_t reduce(const char* function, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm) {
  EXPECT_EQ(op, ncclSum);
  return self().call(function, name(comm) + ": " + text(count) + " " + type_name(type));
}

inline NcclApi table() {
  NcclApi api{};
  api.get_version = [](int* version) {
    *version = 22809;
    return ncclSuccess;
  };
  api.get_error_string = error_string;
  api.get_last_error = [](ncclComm_t) { return "socket closed"; };
  api.get_unique_id = [](ncclUniqueId* id) {
    id->internal[0] = 'm';
    return ncclSuccess;
  };
  api.comm_init_rank_config = [](ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
    EXPECT_EQ(config->blocking, 0);
    EXPECT_EQ(id.internal[0], 'm');  // rank 0's, on every rank
    *comm = self().make();
    return self().call("ncclInit", name(*comm) + ": rank " + std::to_string(rank) + " of " + std::to_string(ranks));
  };
  api.comm_split = [](ncclComm_t comm, int colour, int key, ncclComm_t* child, ncclConfig_t* config) {
    EXPECT_EQ(config->blocking, 0);
    *child = self().make();
    return self().call("ncclSplit", name(comm) + " -> " + name(*child) + ": colour " + std::to_string(colour) +
                                        ", key " + std::to_string(key));
  };
  api.comm_get_async_error = [](ncclComm_t, ncclResult_t* state) {
    *state = self().poll();
    return ncclSuccess;
  };
  api.comm_finalize = [](ncclComm_t comm) { return self().call("ncclFinalize", name(comm)); };
  api.comm_destroy = [](ncclComm_t comm) { return self().call("ncclDestroy", name(comm)); };
  api.comm_abort = [](ncclComm_t comm) { return self().call("ncclAbort", name(comm)); };
  api.group_start = [] { return group("ncclGroupStart", true); };
  api.group_end = [] { return group("ncclGroupEnd", false); };
  api.send = [](const void*, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t) {
    return self().call("ncclSend",
                       name(comm) + " to " + std::to_string(peer) + ": " + text(count) + " " + type_name(type));
  };
  api.recv = [](void*, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t) {
    return self().call("ncclRecv",
                       name(comm) + " from " + std::to_string(peer) + ": " + text(count) + " " + type_name(type));
  };
  api.all_gather = [](const void*, void*, size_t count, ncclDataType_t type, ncclComm_t comm, cudaStream_t) {
    return self().call("ncclAllGather", name(comm) + ": " + text(count) + " " + type_name(type));
  };
  api.reduce_scatter = [](const void*, void*, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                          cudaStream_t) { return reduce("ncclReduceScatter", count, type, op, comm); };
  api.all_reduce = [](const void*, void*, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                      cudaStream_t) { return reduce("ncclAllReduce", count, type, op, comm); };
  return api;
}

}  // namespace fake_nccl

inline const NcclApi& FakeNccl::api() {
  static const NcclApi api = fake_nccl::table();
  return api;
}

}  // namespace moesaic::executor
