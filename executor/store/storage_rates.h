#pragma once
// What the disk under a folder gives to a block store, measured in a few seconds. It is a figure for plans and
// no benchmark: one block size, one depth, whatever else the machine does meanwhile.

#include <string>

namespace moesaic::executor {

struct StorageRates {
  double read_bytes_per_s = 0.0;   // blocks of 4 MiB in random order, 8 in flight
  double write_bytes_per_s = 0.0;  // the same, over blocks that were written before
  double read_latency_s = 0.0;     // median of single reads of 4 KiB, one at a time
  bool direct = false;             // false: the page cache took part
  std::string engine;              // "io_uring" or "threads"
};

/// Disks of virtual machines lend bursts that a job soon has used up; two seconds outlast those that were seen.
inline constexpr double kSecondsPerRate = 2;

/// Spends so long on laying out, on writing and on reading, and 0.2 s on single reads. Leaves no file behind.
/// DeviceError where the folder takes none of 64 MiB.
StorageRates measure_storage(const std::string& folder, double seconds_per_rate = kSecondsPerRate);

}  // namespace moesaic::executor
