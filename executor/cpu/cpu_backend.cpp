#include "executor/cpu/cpu_backend.h"

#include <cstdlib>
#include <cstring>

#include "core/schema/error.h"

namespace moesaic::executor::cpu {

void* CpuBackend::allocate(Bytes bytes) {
  constexpr size_t kAlignment = 64;  // bytes: one cache line, one AVX-512 register
  const size_t rounded = (static_cast<size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
  void* data = std::aligned_alloc(kAlignment, std::max(rounded, kAlignment));
  if (data == nullptr) throw DeviceError("cpu: no memory for " + format_bytes(static_cast<double>(bytes)));
  return data;
}

void CpuBackend::release(void* data) { std::free(data); }

void CpuBackend::copy(Lane, void* to, const void* from, Bytes bytes) {
  std::memcpy(to, from, static_cast<size_t>(bytes));
}

void CpuBackend::launch(const Launch& launch) {
  switch (launch.task.op) {
    case Op::router:
    case Op::permute:
    case Op::regroup:
    case Op::experts:
    case Op::unpermute:
    case Op::router_backward:
    case Op::permute_backward:
    case Op::experts_dgrad:
    case Op::experts_wgrad:
    case Op::unpermute_backward:
      return launch_moe(launch);
    case Op::adamw:
      return launch_update(launch);
    case Op::all_to_all:
    case Op::all_reduce:
    case Op::all_gather:
    case Op::reduce_scatter:
      throw InvariantError(__FILE__, __LINE__, "launch", "collectives are the communicator's");
    default:
      return launch_dense(launch);
  }
}

}  // namespace moesaic::executor::cpu
