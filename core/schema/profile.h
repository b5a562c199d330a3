#pragma once
// Measured times of operators, copies and collectives on one kind of device, each with its provenance. Pricing rules
// live in core/cost.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/schema/kernel_tables.h"
#include "core/schema/units.h"

namespace moesaic {

enum class Provenance { measured, published, assumed };

/// Seconds of one operator against its number of rows, all other dimensions fixed.
struct OperatorCurve {
  std::string op;  // name_of(Op)
  DType dtype = DType::f32;
  std::map<std::string, int64_t> fixed;  // dimension name -> value, for example {"n": 2048, "k": 512}
  std::vector<int64_t> rows;             // ascending
  std::vector<Seconds> seconds;          // [rows.size()], median
  Provenance provenance = Provenance::measured;
  bool operator==(const OperatorCurve&) const = default;
};

/// Seconds of one collective against the bytes that the busiest rank sends.
struct CollectiveCurve {
  std::string collective;  // "all_to_all", "all_reduce", "all_gather", "reduce_scatter"
  int num_ranks = 0;
  bool crosses_nodes = false;
  std::vector<Bytes> bytes;      // ascending
  std::vector<Seconds> seconds;  // the slowest rank, median
  Provenance provenance = Provenance::measured;
  bool operator==(const CollectiveCurve&) const = default;
};

/// Share of the device's peak that an operator without a curve is assumed to reach where arithmetic bounds it. Origin:
/// Megatron-LM trains GPT at 44 to 52 % of the A100's peak (arXiv 2104.04473, table 1), all that a step does included.
inline constexpr double kAssumedFlopsEfficiency = 0.5;
/// The same of the memory's bandwidth where traffic bounds it. Origin: none, a guess.
inline constexpr double kAssumedBandwidthEfficiency = 0.7;

/// Least time between two kernels of a GPU that a host launches one by one: shorter ones wait for the next launch. A
/// captured graph, as engines decode, pays none. Origin: 4 to 6 us of driver and runtime per launch (pegainfer, "From
/// launch overhead to CUDA graph"; RTX 5070 Ti, CUDA 13.0); an eager framework's dispatch of an operator adds to it.
inline constexpr Seconds kAssumedLaunchInterval = 5e-6;
/// Factor on a GPU's compute time while a collective of the same rank runs, whose kernels hold multiprocessors. Origin:
/// DeepSeek-V3's training gives 20 of an H800's 132 to communication (arXiv 2412.19437, section 3.2.2): 132 / 112.
/// Range: 1.03 to 1.05 with 4 to 6 of them (DeepEP V2), 1.22 with 24 (DeepEP V1).
inline constexpr double kAssumedCollectiveSlowdown = 1.18;

/// How a measurement went within its budget. A point is one place on one curve, or one peak.
struct MeasuringRecord {
  Seconds budget_s = 0, spent_s = 0;
  int64_t points = 0;                       // that were measured
  std::vector<std::string> left_out;        // those that the budget did not reach
  int64_t repetitions = 0;                  // of all points
  int64_t disturbed_repetitions = 0;        // of them, during which others had a core; thrown away
  std::vector<std::string> kept_disturbed;  // points without any other: these count, less the lost time
  double lost_share = 0;                    // of the time of all repetitions, in [0, 1]: others had the core
  double steal_share = 0;  // of the time in which the machine's cores had work, in [0, 1]: other guests had them
  bool ranks_share_cores = false;  // no disturbance was told: the cores were fewer than the ranks
  bool operator==(const MeasuringRecord&) const = default;
};

struct Profile {
  std::string name;
  std::string device;                          // Device::name
  std::string machine, command, date, commit;  // where the figures come from
  std::vector<OperatorCurve> operators;
  std::vector<CollectiveCurve> collectives;
  TablesReference tables;       // published measurements over grids of shapes, beside the curves
  Seconds task_overhead_s = 0;  // scheduler time per task; 0 where nobody measured it: launches are free
  /// On GPUs, where task_overhead_s is 0: see the constant. 0: launches are free.
  Seconds launch_interval_s = kAssumedLaunchInterval;
  double collective_slowdown = kAssumedCollectiveSlowdown;  // on GPUs; 1: collectives take nothing from compute
  /// False: AdamW as one kernel per operation of its formula, each of which reads and writes memory.
  bool fused_optimizer = true;
  /// Factor on compute time while another rank of the same node computes too; 1 where curves were measured that way.
  double neighbour_slowdown = 1;
  double assumed_flops_efficiency = kAssumedFlopsEfficiency;
  double assumed_bandwidth_efficiency = kAssumedBandwidthEfficiency;
  std::optional<MeasuringRecord> measuring;  // absent: not known
  bool operator==(const Profile&) const = default;
};

}  // namespace moesaic
