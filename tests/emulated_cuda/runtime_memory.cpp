// Memory functions of the runtime API.

#include <sys/mman.h>

#include <cstring>
#include <utility>
#include <vector>

#include "tests/emulated_cuda/device.h"

namespace emulated_cuda {
namespace {

/// Where a block lies. Only a pageable block needs the host's presence.
enum class Place { device, page_locked, pageable, nowhere };

Place place_of(const void* data, std::size_t bytes) {
  if (device().arena.contains(data)) return device().arena.holds(data, bytes) ? Place::device : Place::nowhere;
  if (data == nullptr) return Place::nowhere;
  return device().locks(data, bytes) ? Place::page_locked : Place::pageable;
}

bool fits(cudaMemcpyKind kind, Place to, Place from) {
  if (to == Place::nowhere || from == Place::nowhere) return false;
  const bool to_device = to == Place::device, from_device = from == Place::device;
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !to_device && !from_device;
    case cudaMemcpyHostToDevice:
      return to_device && !from_device;
    case cudaMemcpyDeviceToHost:
      return !to_device && from_device;
    case cudaMemcpyDeviceToDevice:
      return to_device && from_device;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t handle, bool wait) {
  if (device().broken != cudaSuccess) return device().broken;
  Stream* stream = device().stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  const Place target = place_of(to, bytes), source = place_of(from, bytes);
  if (!fits(kind, target, source)) return cudaErrorInvalidValue;
  const bool capturing = stream->capture != nullptr;
  if (source == Place::pageable && target == Place::device && !capturing && !wait) {
    const auto* first = static_cast<const char*>(from);
    device().streams.append(stream, [to, snapshot = std::vector<char>(first, first + bytes)] {
      std::memcpy(to, snapshot.data(), snapshot.size());
      return std::string();
    });
    return cudaSuccess;
  }
  device().streams.append(stream, [to, from, bytes] {
    std::memcpy(to, from, bytes);
    return std::string();
  });
  const bool host_waits = wait || target == Place::pageable || source == Place::pageable;
  if (!host_waits || capturing) return cudaSuccess;
  return device().run_until([stream] { return stream->queue.empty(); });
}

}  // namespace
}  // namespace emulated_cuda

using emulated_cuda::Arena;
using emulated_cuda::device;
using emulated_cuda::Place;
using emulated_cuda::returned;

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  const std::lock_guard lock(device().mutex);
  if (device().broken != cudaSuccess) return returned(device().broken);
  if (device().streams.captures_strictly()) return returned(cudaErrorStreamCaptureUnsupported);
  *data = bytes == 0 ? nullptr : device().arena.allocate(bytes);
  return returned(*data == nullptr && bytes > 0 ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFree(void* data) {
  const std::lock_guard lock(device().mutex);
  if (device().streams.captures_strictly()) return returned(cudaErrorStreamCaptureUnsupported);
  const cudaError_t state = device().run_all();  // as the real one, it waits for the device
  if (data == nullptr) return returned(state);
  switch (device().arena.release(data)) {
    case Arena::Freed::yes:
      return returned(state);
    case Arena::Freed::unknown_block:
      return returned(cudaErrorInvalidValue);
    case Arena::Freed::written_past_its_end:
      return returned(device().break_with(cudaErrorIllegalAddress, "a kernel wrote past the end of a block"));
  }
  return returned(cudaErrorInvalidValue);
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
  const std::lock_guard lock(device().mutex);
  if (device().broken != cudaSuccess) return returned(device().broken);
  *data = nullptr;
  if (bytes == 0) return cudaSuccess;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return returned(cudaErrorMemoryAllocation);
  device().page_locked[static_cast<const char*>(memory)] = bytes;
  *data = memory;
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** data, std::size_t bytes) { return cudaHostAlloc(data, bytes, cudaHostAllocDefault); }

cudaError_t cudaFreeHost(void* data) {
  const std::lock_guard lock(device().mutex);
  const cudaError_t state = device().run_all();
  if (data == nullptr) return returned(state);
  const auto block = device().page_locked.find(static_cast<const char*>(data));
  if (block == device().page_locked.end()) return returned(cudaErrorInvalidValue);
  (void)munmap(data, block->second);
  device().page_locked.erase(block);
  return returned(state);
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard lock(device().mutex);
  *total = device().arena.limit();
  *free = *total - std::min(*total, device().arena.used());
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
  const std::lock_guard lock(device().mutex);
  auto* address = const_cast<void*>(data);
  switch (emulated_cuda::place_of(data, 1)) {
    case Place::device:
      *attributes = {cudaMemoryTypeDevice, 0, address, nullptr};
      break;
    case Place::page_locked:
      *attributes = {cudaMemoryTypeHost, 0, address, address};
      break;
    default:
      *attributes = {cudaMemoryTypeUnregistered, -1, nullptr, address};
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  return returned(emulated_cuda::copy(to, from, bytes, kind, stream, false));
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const std::lock_guard lock(device().mutex);
  return returned(emulated_cuda::copy(to, from, bytes, kind, nullptr, true));
}

cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t handle) {
  const std::lock_guard lock(device().mutex);
  if (device().broken != cudaSuccess) return returned(device().broken);
  emulated_cuda::Stream* stream = device().stream(handle);
  if (stream == nullptr) return returned(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  const Place place = emulated_cuda::place_of(data, bytes);
  if (place == Place::nowhere || place == Place::pageable) return returned(cudaErrorInvalidValue);
  device().streams.append(stream, [=] {
    std::memset(data, value, bytes);
    return std::string();
  });
  return cudaSuccess;
}

cudaError_t cudaMemset(void* data, int value, std::size_t bytes) {
  return cudaMemsetAsync(data, value, bytes, nullptr);
}
