#pragma once
// Copies between expert slots in host memory and a device, by way of host memory of the backend where the device works
// by itself. It does not know which slots a task needs.

#include <span>
#include <vector>

#include "executor/backend/host_memory.h"
#include "executor/runtime/residency/gradient_sums.h"

namespace moesaic::executor {

/// Weights on their way to the device. By way of memory of their own, since states change or leave host memory while
/// the device still copies.
class WeightsToDevice {
 public:
  explicit WeightsToDevice(Backend& backend) : backend_(backend) {}
  /// Waits for its copies.
  ~WeightsToDevice();
  WeightsToDevice(const WeightsToDevice&) = delete;
  WeightsToDevice& operator=(const WeightsToDevice&) = delete;

  /// Appends the copy to the lane, rounded to the dtype of the device's memory.
  void send(Lane lane, void* to, DType dtype, const float* from, int64_t elements);
  /// Gives memory back whose copies are done.
  void release_done();

 private:
  struct Staged {
    HostMemory memory;
    Event copied;
  };

  Backend& backend_;
  std::vector<Staged> staged_;
};

/// Gradients of a layer on their way from the device, one drain at a time.
class GradientsFromDevice {
 public:
  GradientsFromDevice(Backend& backend, const SlotLayout& layout) : backend_(backend), layout_(layout) {}

  /// Appends the copies of windows, [parameters], to the lane. Their bytes.
  Bytes start(Lane lane, int moe_layer, std::span<const Operand> gradients);
  /// Adds what has arrived; false, and nothing is added, until all has.
  bool finish(GradientSums& sums);

 private:
  struct Part {  // one parameter of a slot, on the host when `copied_` has passed
    int slot;
    size_t parameter;
    const void* data;
    DType dtype;
  };

  Backend& backend_;
  const SlotLayout layout_;
  int moe_layer_ = -1;
  std::vector<Part> parts_;
  std::vector<HostMemory> staging_;
  Event copied_ = 0;
};

}  // namespace moesaic::executor
