#pragma once
// When lanes passed marked points, by the host's steady clock: device events, read off against one whose time the host
// knows. It waits for nothing itself.

#include <vector>

#include "core/schema/units.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

class LaneClock {
 public:
  LaneClock() = default;
  LaneClock(const LaneClock&) = delete;
  LaneClock& operator=(const LaneClock&) = delete;

  /// `*at` is written by settle(). The first mark needs a settle() before it.
  void mark(Stream stream, Seconds* at);
  /// All streams have passed everything: writes what was marked, and sets the device's time against the host's anew.
  void settle(Stream idle);
  /// Errors are passed over: for destructors.
  void close();

 private:
  struct Mark {
    DeviceEventHandle event;
    Seconds* at;
  };

  DeviceEventHandle take();

  DeviceEventHandle base_ = nullptr;
  Seconds base_time_ = 0;
  std::vector<Mark> marks_;
  std::vector<DeviceEventHandle> free_;
};

}  // namespace moesaic::executor::cuda
