#pragma once
// The one emulated device and its lock. Every function of the runtime API holds the lock from beginning to end.

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "tests/emulated_cuda/arena.h"
#include "tests/emulated_cuda/include/cuda_runtime_api.h"
#include "tests/emulated_cuda/streams.h"

namespace emulated_cuda {

struct Event {
  unsigned flags = 0;
  std::shared_ptr<Record> last;  // null before the first recording
};

struct Device {
  std::mutex mutex;
  Arena arena;
  Streams streams;
  std::map<const char*, std::size_t> page_locked;  // host blocks
  std::set<Event*> events;
  std::uint64_t kernels_run = 0;

  // A kernel that failed leaves the device unusable: every later call returns this.
  cudaError_t broken = cudaSuccess;
  std::string diagnosis;

  /// The stream behind a handle, null if there is none.
  Stream* stream(cudaStream_t handle);
  /// Whether [data, data + bytes) is page-locked host memory.
  bool locks(const void* data, std::size_t bytes) const;
  /// Runs work until `done`; a failure breaks the device.
  cudaError_t run_until(const std::function<bool()>& done);
  cudaError_t run_all();
  cudaError_t break_with(cudaError_t error, const std::string& why);
};

Device& device();

/// Remembers an error as the calling thread's last one and returns it.
cudaError_t returned(cudaError_t error);

}  // namespace emulated_cuda
