#pragma once
// The hardware that a plan is for: nodes, devices, memory tiers and links. It holds no measured kernel times (those are
// a profile).

#include <cstdint>
#include <string>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

/// Share of a GPU's memory that a plan may fill where nobody sets another. Origin: serving engines take 0.88 to 0.92 of
/// it (defaults of SGLang and vLLM); plans that fill all of it are refused when they start (aiconfigurator#1396).
inline constexpr double kUsableMemoryShare = 0.92;

/// One accelerator, or one CPU core that plays that part.
struct Device {
  std::string name;
  Bytes memory_bytes = 0;
  BytesPerSecond memory_bandwidth_bytes_per_s = 0;
  FlopsPerSecond peak_f32_flops_per_s = 0;
  FlopsPerSecond peak_bf16_flops_per_s = 0;
  /// True where compute, copies and communication of a rank run on the same core, as they do for CPU ranks.
  bool lanes_share_core = false;
  FlopsPerSecond peak_fp8_flops_per_s = 0;  // 0: the device has no such products
  FlopsPerSecond peak_fp4_flops_per_s = 0;
  int64_t multiprocessors = 0;     // of a GPU; 0: not known
  double usable_memory_share = 1;  // of memory_bytes, for a plan; the rest is the driver's and the allocator's
  Bytes usable_memory_bytes() const {
    return static_cast<Bytes>(static_cast<double>(memory_bytes) * usable_memory_share);
  }
  bool operator==(const Device&) const = default;
};

/// Bandwidth in one direction of one port, and what a message costs besides its bytes: latency, which messages in
/// flight at once pay together, and time that the sending port is busy, which they pay one after the other (the gap g
/// of LogGP).
struct Link {
  BytesPerSecond bandwidth_bytes_per_s = 0;
  Seconds latency_s = 0;
  Seconds message_s = 0;
  Bytes packet_bytes = 0;  // a message of more pays message_s for every piece of this size; 0: never
  double efficiency = 1;   // share of the bandwidth that collectives reach
  BytesPerSecond reached_bytes_per_s() const { return bandwidth_bytes_per_s * efficiency; }
  bool present() const { return bandwidth_bytes_per_s > 0; }
  bool operator==(const Link&) const = default;
};

/// "80 GB", or "73.6 GB to use" where a plan may not fill all of it.
std::string usable_memory_text(const Device& device);

/// Nodes of one kind. Ranks are numbered node by node: rank = node * devices_per_node + local rank.
struct Cluster {
  std::string name;
  std::string source;  // datasheet, or the command that measured it
  int num_nodes = 1;
  int devices_per_node = 1;
  Device device;
  Bytes host_memory_bytes = 0;
  BytesPerSecond host_memory_bandwidth_bytes_per_s = 0;
  Bytes storage_bytes = 0;
  BytesPerSecond storage_read_bytes_per_s = 0;
  BytesPerSecond storage_write_bytes_per_s = 0;

  Link intra_node;  // NVLink or NVSwitch port of a device, or shared memory between CPU ranks
  Link pcie;        // host <-> device, one switch
  int devices_per_pcie_switch = 1;
  Link nic;  // one network card
  int nics_per_node = 1;
  Link spine;                   // uplink of one rail or leaf towards the others; absent: non-blocking
  bool rail_optimized = false;  // local rank i of every node hangs on rail i; other pairs cross the spine

  std::vector<double> device_speeds = {};  // [num_devices], relative to `device`: mixed machines; empty: all 1
  double speed_of(int rank) const { return device_speeds.empty() ? 1 : device_speeds[static_cast<size_t>(rank)]; }

  int num_devices() const { return num_nodes * devices_per_node; }
  int node_of(int rank) const { return rank / devices_per_node; }
  int local_rank(int rank) const { return rank % devices_per_node; }
  /// Where a node has fewer cards than devices, consecutive local ranks share one; else each local rank has a port of
  /// its own, the cards shared out evenly: 12 cards give each of 8 devices the bandwidth of 1.5.
  int nic_port_of(int local_rank) const {
    return nics_per_node >= devices_per_node ? local_rank : local_rank * nics_per_node / devices_per_node;
  }
  /// At least 1.
  double nics_per_port() const {
    return nics_per_node > devices_per_node ? static_cast<double>(nics_per_node) / devices_per_node : 1;
  }
  bool operator==(const Cluster&) const = default;
};

}  // namespace moesaic
