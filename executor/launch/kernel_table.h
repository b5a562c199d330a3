#pragma once
// A device's kernels by operator: each family's file of a device's room lists its own, and the table is asked for one
// at every launch. It unpacks nothing.

#include <array>
#include <initializer_list>
#include <span>
#include <string>

#include "core/schema/error.h"
#include "executor/backend/backend.h"

namespace moesaic::executor {

/// Appends an operator, or runs it, with what the device keeps for its kernels.
template <typename Device>
struct Kernel {
  Op op;
  void (*launch)(const Launch& launch, Device& device);
};

template <typename Device>
class KernelTable {
 public:
  /// Throws InvariantError where two families list an operator.
  KernelTable(std::string device, std::initializer_list<std::span<const Kernel<Device>>> families)
      : device_(std::move(device)) {
    for (const auto& family : families)
      for (const Kernel<Device>& kernel : family) {
        auto& place = launches_[static_cast<size_t>(kernel.op)];
        MOESAIC_CHECK(place == nullptr, device_ + " has two kernels for " + name_of(kernel.op));
        place = kernel.launch;
      }
  }

  bool has(Op op) const { return launches_[static_cast<size_t>(op)] != nullptr; }

  /// Throws InvariantError for collectives, which are a communicator's, and DeviceError for what the device does not
  /// do.
  void launch(const Launch& launch, Device& device) const {
    const Op op = launch.task.op;
    MOESAIC_CHECK(!is_collective(op), std::string(name_of(op)) + " is no kernel's: collectives are the communicator's");
    if (!has(op)) throw DeviceError(device_ + ": no operator for " + name_of(op) + " yet");
    launches_[static_cast<size_t>(op)](launch, device);
  }

 private:
  std::string device_;
  std::array<void (*)(const Launch&, Device&), kNumOps> launches_{};
};

}  // namespace moesaic::executor
