#pragma once
// An NVIDIA GPU as a device: one stream per lane, numbered events, cached device memory. One per rank, used by one
// thread; ranks may share a GPU, each with its own instance.

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/cuda/attention.h"
#include "executor/cuda/event_ledger.h"
#include "executor/cuda/kernels.h"
#include "executor/cuda/lane_clock.h"
#include "executor/cuda/linear.h"
#include "executor/cuda/pinned_arena.h"
#include "executor/cuda/size_class_cache.h"

namespace moesaic::executor::cuda {

/// Devices that this process may use; 0 also where there is no driver.
int device_count();

class CudaBackend final : public Backend {
 public:
  /// `pinned_cap` bounds host_staging().
  explicit CudaBackend(int device = 0, Bytes pinned_cap = Bytes{256} << 20);
  ~CudaBackend() override;
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;

  std::string name() const override { return "cuda"; }
  std::string device_name() const override;
  Bytes memory_bytes() const override;
  Bytes cache_bytes() const override;
  void* allocate(Bytes bytes, Lane first_user = Lane::compute) override;
  void release(void* data, LaneSet users = LaneSet::all()) override;
  void* allocate_host(Bytes bytes) override;
  void release_host(void* data) override;
  void launch(const Launch& launch) override;
  void copy(Lane lane, void* to, const void* from, Bytes bytes) override;
  void clear(Lane lane, void* data, Bytes bytes) override;
  NonFinite find_non_finite(std::span<const Operand> operands, ExactSquares* squares) override;
  Event record(Lane lane) override;
  bool done(Event event) override;
  void wait_for(Lane lane, Event event) override;
  void mark(Lane lane, Seconds* at) override;
  void settle() override;
  bool begin_capture() override;
  void end_capture() override;
  void replay() override;

  static const KernelTable<CudaKernels>& kernels();

  int device() const { return device_; }
  void synchronize();  // waits for every lane
  PinnedArena& host_staging() {
    use_device();  // pinning must not open a context on device 0 beside ours
    return staging_;
  }
  Linear& linear() { return linear_; }
  Stream stream(Lane lane) const { return streams_[static_cast<size_t>(lane)]; }
  /// The stream of a lane for work that is appended past launch() and copy(): release() will wait for it too.
  Stream append_to(Lane lane) {
    use_device();
    appended(lane);
    return stream(lane);
  }
  Bytes allocated_bytes() const { return allocated_bytes_; }  // live and cached

 private:
  void use_device() const;
  void appended(Lane lane) { dirty_[static_cast<size_t>(lane)] = true; }
  void recycle(Event passed);
  void recycle_passed(Lane lane);
  Fence fence(LaneSet users);
  void* device_malloc(Bytes block_bytes);
  void free_cached();
  void close();

  int device_;
  std::array<Stream, kNumLanes> streams_{};
  std::array<bool, kNumLanes> dirty_{};  // work since the last event of the lane
  Fence last_event_{};
  EventLedger ledger_;
  std::vector<DeviceEventHandle> free_events_;
  SizeClassCache cache_;
  bool capturing_ = false;
  GraphHandle captured_ = nullptr;
  SizeClassCache captured_blocks_;                // that the captured graph uses
  std::unordered_map<void*, Bytes> block_bytes_;  // of live blocks
  Bytes allocated_bytes_ = 0;
  PinnedArena staging_;
  LaneClock clock_;
  Linear linear_;
  Attention attention_{linear_.scratch()};
};

}  // namespace moesaic::executor::cuda
