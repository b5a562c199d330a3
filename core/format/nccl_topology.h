#pragma once
// The topology that NCCL writes (NCCL_TOPO_DUMP_FILE): processors, PCIe switches, GPUs with their NVLinks, network
// cards. It describes one node; what it does not hold comes from a description of the device.

#include <string>
#include <vector>

#include "core/schema/hardware.h"

namespace moesaic {

struct NcclTopology {
  int devices = 0;
  int devices_per_switch = 1;             // most GPUs under one PCIe device of a processor
  int sm = 0;                             // compute capability times 10
  int nvlinks = 0;                        // of each GPU, to switches or other GPUs
  BytesPerSecond nvlink_bytes_per_s = 0;  // of all of them, one direction; 0: none
  BytesPerSecond pcie_bytes_per_s = 0;    // of a GPU's slot, one direction; 0: not said, as in virtual machines
  int cards = 0;                          // of the fastest rate there is
  BytesPerSecond card_bytes_per_s = 0;
  std::vector<std::string> slower_cards;  // left out
  bool operator==(const NcclTopology&) const = default;
};

/// Rates: NVLink 25 GB/s a link and direction from Volta to Hopper, 50 on Blackwell (datasheets: 300 / 12, 450 / 18,
/// 900 / 18); PCIe GT/s * lanes / 8, as datasheets count; `speed` of a card in Mb/s. Throws InputError for what is no
/// such file, for dumps of several hosts, for GPUs that differ in their NVLinks or architecture, and for an
/// architecture whose links are not known.
NcclTopology read_nccl_topology(const std::string& text, const std::string& file);

struct TopologyCluster {
  Cluster cluster;
  std::vector<std::string> taken;  // what the topology did not hold, and what it says differently
};

/// `nodes` such nodes, with all else from `hardware`.
TopologyCluster cluster_of(const NcclTopology& topology, const std::string& file, const Hardware& hardware, int nodes);

}  // namespace moesaic
