#pragma once
// Bytes of expert states that moved between storage, host memory and the device: as predicted by the simulator, as
// counted by the executor.

#include "core/schema/units.h"

namespace moesaic {

struct MovedBytes {
  Bytes storage_read = 0, storage_written = 0;
  Bytes to_device = 0, from_device = 0;

  MovedBytes& operator+=(const MovedBytes& other) {
    storage_read += other.storage_read;
    storage_written += other.storage_written;
    to_device += other.to_device;
    from_device += other.from_device;
    return *this;
  }
  bool operator==(const MovedBytes&) const = default;
};

}  // namespace moesaic
