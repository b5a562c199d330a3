#include "executor/nccl/nccl_api.h"

#include <dlfcn.h>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

[[noreturn]] void refuse(const std::string& problem) {
  throw DeviceError("nccl: " + problem + "; install NCCL " + nccl_version_text(kOldestNccl) +
                    " or newer where the loader finds it (LD_LIBRARY_PATH), or leave --communicator out");
}

template <typename Function>
void find(void* library, const std::string& path, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) refuse(path + " has no " + name);
}

}  // namespace

std::string nccl_version_text(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

NcclApi load_nccl(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: its threads may live on
  if (library == nullptr) refuse(dlerror());
  NcclApi api{};
  find(library, path, "ncclGetVersion", api.get_version);
  int version = 0;
  if (api.get_version(&version) != ncclSuccess || version < kOldestNccl)
    refuse(path + " is version " + nccl_version_text(version));
  find(library, path, "ncclGetErrorString", api.get_error_string);
  find(library, path, "ncclGetLastError", api.get_last_error);
  find(library, path, "ncclGetUniqueId", api.get_unique_id);
  find(library, path, "ncclCommInitRankConfig", api.comm_init_rank_config);
  find(library, path, "ncclCommSplit", api.comm_split);
  find(library, path, "ncclCommGetAsyncError", api.comm_get_async_error);
  find(library, path, "ncclCommFinalize", api.comm_finalize);
  find(library, path, "ncclCommDestroy", api.comm_destroy);
  find(library, path, "ncclCommAbort", api.comm_abort);
  find(library, path, "ncclGroupStart", api.group_start);
  find(library, path, "ncclGroupEnd", api.group_end);
  find(library, path, "ncclSend", api.send);
  find(library, path, "ncclRecv", api.recv);
  find(library, path, "ncclAllGather", api.all_gather);
  find(library, path, "ncclReduceScatter", api.reduce_scatter);
  find(library, path, "ncclAllReduce", api.all_reduce);
  return api;
}

const NcclApi& nccl() {
  static const NcclApi api = load_nccl("libnccl.so.2");
  return api;
}

}  // namespace moesaic::executor
