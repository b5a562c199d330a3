#pragma once
// Whether a kernel's times go in waves of tiles, and of which: judged by the times themselves, when tables are
// imported.

#include "core/cost/table_base.h"

namespace moesaic {

/// The tile among none, 256 and 128 columns by 128 rows with which the kernel's times over their base are smoothest:
/// the least sum over axes of the mean deviation of points on every second line from what their neighbours say. Origin
/// of the candidates: the largest tiles that CUTLASS kernels have, and DeepGEMM's. None where the device's number of
/// multiprocessors is not known. Throws InputError as KernelGrid does.
TileShape smoothest_tile(const KernelTable& products, const TableBase& base);

}  // namespace moesaic
