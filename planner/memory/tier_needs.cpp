#include "planner/memory/tier_needs.h"

namespace moesaic::planner {

TierNeeds tier_needs(const Model& model, double active_share) {
  const ParameterCount count = count_parameters(model);
  const auto dense = static_cast<double>(count.dense), sparse = static_cast<double>(count.sparse),
             layers = static_cast<double>(model.num_moe_layers());
  TierNeeds needs;
  needs.device = 16 * dense + (layers > 0 ? 4 * active_share * sparse / layers : 0);
  needs.host = 16 * active_share * sparse;
  needs.storage = 12 * sparse;
  return needs;
}

std::string tier_shortage(const TierNeeds& needs, const Cluster& cluster) {
  const auto check = [](const char* what, double needed, double there) {
    return needed <= there
               ? std::string()
               : std::string(what) + " must hold " + format_bytes(needed) + " and has " + format_bytes(there);
  };
  const double nodes = cluster.num_nodes;
  std::string shortage = check("device memory of all ranks", needs.device,
                               static_cast<double>(cluster.device.usable_memory_bytes()) * cluster.num_devices());
  if (shortage.empty())
    shortage = check("host memory of all nodes", needs.host, static_cast<double>(cluster.host_memory_bytes) * nodes);
  if (shortage.empty())
    shortage = check("storage of all nodes", needs.storage, static_cast<double>(cluster.storage_bytes) * nodes);
  return shortage;
}

}  // namespace moesaic::planner
