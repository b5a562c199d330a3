#include "executor/cuda/lane_clock.h"

#include "executor/cuda/cuda_check.h"
#include "executor/machine/steady_clock.h"

namespace moesaic::executor::cuda {
DeviceEventHandle LaneClock::take() {
  DeviceEventHandle event = nullptr;
  if (free_.empty()) {
    CUDA_CHECK(cudaEventCreate(&event));
    return event;
  }
  event = free_.back();
  free_.pop_back();
  return event;
}

void LaneClock::mark(Stream stream, Seconds* at) {
  marks_.push_back({take(), at});
  CUDA_CHECK(cudaEventRecord(marks_.back().event, stream));
}

void LaneClock::settle(Stream idle) {
  for (const Mark& mark : marks_) {
    float milliseconds = 0;
    CUDA_CHECK(cudaEventElapsedTime(&milliseconds, base_, mark.event));
    *mark.at = base_time_ + 1e-3 * static_cast<double>(milliseconds);
    free_.push_back(mark.event);
  }
  marks_.clear();
  if (base_ == nullptr) base_ = take();
  CUDA_CHECK(cudaEventRecord(base_, idle));
  CUDA_CHECK(cudaEventSynchronize(base_));
  base_time_ = steady_seconds();
}

void LaneClock::close() {
  for (const Mark& mark : marks_) (void)cudaEventDestroy(mark.event);
  for (DeviceEventHandle event : free_) (void)cudaEventDestroy(event);
  if (base_ != nullptr) (void)cudaEventDestroy(base_);
  marks_.clear();
  free_.clear();
  base_ = nullptr;
}

}  // namespace moesaic::executor::cuda
