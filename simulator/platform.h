#pragma once
// The cores and ports of a cluster, and which of them each rank uses. Collectives see a port as a whole: a member's
// traffic through it is one flow between the port and the fabric behind it, and the fabric itself is non-blocking.

#include <string>
#include <vector>

#include "core/network/collective_demand.h"
#include "core/schema/cluster.h"
#include "simulator/activity_engine.h"
#include "simulator/expert_traffic.h"

namespace moesaic::simulator {

/// The kinds of port that a byte can pass. Flows of one member through several of them run side by side.
enum class PortKind : uint8_t {
  intra_node,   // one per device
  nic,          // one per network card; where a node has more cards than devices, one per device with its share of them
  spine,        // one uplink per rail, shared by all nodes; none where the spine does not block
  pcie,         // one per switch, shared by its devices
  storage,      // one per node: in is reading; writing takes bytes in proportion to how much slower it is
  host_memory,  // one per node, in only
};
inline constexpr int kNumPortKinds = 6;
const char* name_of(PortKind kind);

/// What one member of a collective asks of one direction of one port. `bytes` also hold what the port could pass while
/// it is busy with messages.
struct Flow {
  int port = 0;
  ActivityEngine::Direction direction = ActivityEngine::Direction::out;
  double bytes = 0;
  int copies = 1;  // of ranks that do the same at the same time and share the port
};

/// 30 years: where something would take longer, a rate in a document is wrong.
inline constexpr Seconds kLongest = 1e9;

class Platform {
 public:
  Platform(const Cluster& cluster, int num_ranks);

  /// Creates the cores and ports: core r is rank r's, port numbers are those of flows. `collective_slowdown`: of a
  /// slowed core.
  void build(ActivityEngine& engine, double collective_slowdown) const;

  /// The flows of a member, at most two per port kind. InputError where bytes must pass a link that the cluster lacks,
  /// or would take longer than `kLongest`.
  void append_flows(const MemberDemand& member, std::vector<Flow>& flows) const;

  /// The flows of a transfer between tiers; `on_core`: what a CPU rank moves in memory is its core's work, no flow.
  void append_flows(const TransferWork& work, int rank, bool on_core, std::vector<Flow>& flows) const;

  /// Seconds that the ports need when nobody else uses them: max over directions of ports of
  /// messages sent * message_s + bytes / bandwidth.
  Seconds port_seconds(const CollectiveDemand& demand) const;

  const Cluster& cluster() const { return cluster_; }

  int num_ports() const { return static_cast<int>(links_.size()); }
  PortKind kind_of(int port) const { return links_[static_cast<size_t>(port)].kind; }
  BytesPerSecond bandwidth_of(int port) const { return links_[static_cast<size_t>(port)].bandwidth_bytes_per_s; }
  /// -1: the cluster has none.
  int port_of(PortKind kind, int rank) const {
    return port_of_[static_cast<size_t>(kind) * static_cast<size_t>(num_ranks_) + static_cast<size_t>(rank)];
  }

 private:
  struct PortLink {
    std::string name;
    PortKind kind = PortKind::intra_node;
    BytesPerSecond bandwidth_bytes_per_s = 0;
  };
  int add_port(PortKind kind, const std::string& owner, BytesPerSecond bandwidth);
  /// `busy_out`: bytes that the port could send while it is busy with messages.
  void append(PortKind kind, int rank, double out, double in, std::vector<Flow>& flows, double busy_out = 0) const;
  void check_flow(const Flow& flow, int rank) const;

  Cluster cluster_;
  int num_ranks_;
  std::vector<PortLink> links_;
  std::vector<int> port_of_;  // [kNumPortKinds, num_ranks], -1: absent
};

}  // namespace moesaic::simulator
