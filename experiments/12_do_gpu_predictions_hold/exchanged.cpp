#include "experiments/12_do_gpu_predictions_hold/exchanged.h"

#include <algorithm>

#include "experiments/laboratory/exchange_plan.h"

namespace moesaic::experiments {

Plan exchanged_plan(const ExchangedConfiguration& exchanged, const Laboratory& laboratory) {
  const Cluster cluster = laboratory.cluster(exchanged.device + "-" + std::to_string(exchanged.nodes) + "x" +
                                             std::to_string(exchanged.devices_per_node));
  const Bytes pair_bytes = exchanged.rank_bytes / exchanged.ranks();
  const Bytes rows = std::max<Bytes>(1, (pair_bytes + kRowBytes / 2) / kRowBytes);
  Plan plan = exchange_plan(cluster, rows * kRowBytes, AllToAllKind::flat);
  plan.profile = laboratory.profile(cluster);
  return plan;
}

Seconds exchange_bytes_over_rate(const Plan& plan, const ExchangedConfiguration& exchanged) {
  const double leaves = static_cast<double>(exchanged.rank_bytes) * (exchanged.ranks() - 1) / exchanged.ranks();
  const Link& link = exchanged.nodes > 1 ? plan.cluster.nic : plan.cluster.intra_node;
  return leaves / link.bandwidth_bytes_per_s;
}

}  // namespace moesaic::experiments
