#pragma once
// What a cluster document says of a device: peak of matrix products, bandwidths of its memory and of the way to the
// host, the disk. Peaks are the shortest repetition, because a peak is what the machine reaches undisturbed.

#include "core/schema/cluster.h"
#include "executor/backend/backend.h"
#include "executor/profiling/bench.h"
#include "executor/profiling/machine.h"

namespace moesaic::executor {

// Each of one rank while all of them do the same; mean over ranks. None may outlive bench and backend.

/// A product of square matrices. On a GPU of the smallest power of two at which three f32 ones are 8 times its cache.
Measure open_matmul(DType dtype, Bench& bench, Backend& backend);
double matmul_flops(const Backend& backend);

/// Copies within the device's memory. Sources and destinations of all ranks that share a cache are together twice as
/// large.
Measure open_copy(const Machine& machine, Bench& bench, Backend& backend);
Bytes copied_bytes(const Machine& machine, Bench& bench, const Backend& backend);  // read and written

inline constexpr Bytes kHostCopy = Bytes{128} << 20, kSmallHostCopy = Bytes{4} << 10;
/// Between page-locked host memory and the device, on Lane::copy_in or Lane::copy_out.
Measure open_host_copy(Lane lane, Bytes bytes, Bench& bench, Backend& backend);

/// The slower direction is what offloading plans must count on. [in, out] seconds of both sizes.
Link host_link_of(const Seconds (&small)[2], const Seconds (&large)[2]);

/// How long measure_disk takes, about, where it spends so much on each rate; and the other way round.
Seconds disk_seconds(Seconds per_rate);
Seconds disk_rate_within(Seconds seconds);
/// The disk behind the system's temporary folder, where expert states live whose home is storage. No storage where it
/// cannot be measured.
void measure_disk(Seconds per_rate, Cluster& cluster);

}  // namespace moesaic::executor
