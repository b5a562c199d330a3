#pragma once
// Runs fio, the measuring program for disks that everyone knows, with one access pattern on one file.

#include <cstdint>
#include <string>

namespace moesaic::executor {

struct AccessPattern {
  bool is_write = false;
  bool random = false;
  int64_t block_bytes = 0;
  int queue_depth = 1;  // blocks in flight
};

/// Bytes per second as fio reports them, over `bytes` of the file. DeviceError with fio's own words where it fails.
double fio_rate(const std::string& path, const AccessPattern& pattern, int64_t bytes);

}  // namespace moesaic::executor
