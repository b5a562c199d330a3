#pragma once
// What one kind of machine is made of, by its datasheets: a description that ships as data, from which clusters follow
// by name ("h200-141g-sxm-4x8") or by a short document. It holds nothing measured.

#include <optional>
#include <string>
#include <vector>

#include "core/schema/documents.h"

namespace moesaic {

/// Share of a link's rate that collectives reach, where nobody measured it on the machine.
/// Device ports: NCCL all-reduce on 8 H100 about 370 of 450 GB/s (nccl-tests#212), all-to-all on 4 H100 335 of 450;
/// DeepEP 153 to 158 of 200 GB/s on H800.
inline constexpr double kReachedShareOfPorts = 0.8;
/// Network cards of 50 GB/s: DeepEP 43 to 58 GB/s (what it counts includes rows that a node gets once), NCCL all-to-all
/// 48 to 49 (nccl-tests#267).
inline constexpr double kReachedShareOfCards = 0.9;

struct Hardware {
  std::string name;                       // "h200-141g-sxm"
  std::vector<std::string> driver_names;  // of the device, as NVIDIA's driver gives them
  Cluster node;                           // one node of it, all figures set
};

/// profiles/devices/<name>/hardware.json. Links without `efficiency` reach the shares above; without
/// `usable_memory_share` plans may fill kUsableMemoryShare.
Hardware read_hardware(const Json& json, const std::string& file, const std::string& pointer = "");

/// The description of a name; a wrong one is refused with the nearest names.
Hardware load_hardware(const std::string& name, const std::vector<std::string>& roots);
/// Names of all descriptions, sorted.
std::vector<std::string> hardware_names(const std::vector<std::string>& roots);

/// {"kind": "moesaic.cluster/1", "device": "h200-141g-sxm", "nodes": 4} with optional `name`, `devices_per_node`,
/// `cards` {per_node, bandwidth_bytes_per_s, efficiency} and `usable_memory_share`.
bool is_short_cluster(const Json& json);
Cluster read_short_cluster(const Json& json, const std::string& file, const std::vector<std::string>& roots);
/// A cluster document of either form.
Cluster read_any_cluster(const Json& json, const std::string& file, const std::vector<std::string>& roots);

/// "h200-141g-sxm-4x8": 1 to 128 nodes of as many devices as the description has, or fewer. Nothing where the name has
/// another form or no such description is there; InputError where the counts are out of range.
std::optional<Cluster> cluster_named(const std::string& name, const std::vector<std::string>& roots);
/// The names in that form which a wrong one may have meant: every device in its shape, else of one whole node.
std::vector<std::string> cluster_names_like(const std::string& name, const std::vector<std::string>& roots);

}  // namespace moesaic
