#include "cli/edited_profile.h"

#include <algorithm>

#include "core/graph/operator.h"

namespace moesaic::cli {
namespace {

double rate_of(const OperatorCurve& curve, const Device& device) {
  const std::optional<Op> op = op_named(curve.op);
  if (!op || !is_matrix_product(*op)) return device.memory_bandwidth_bytes_per_s;
  return curve.dtype == DType::f32 ? device.peak_f32_flops_per_s : device.peak_bf16_flops_per_s;
}

}  // namespace

Profile with_edited_rates(Profile profile, const Cluster& before, const Cluster& after) {
  for (OperatorCurve& curve : profile.operators) {
    const double ratio = rate_of(curve, before.device) / rate_of(curve, after.device);
    if (ratio == 1) continue;
    for (Seconds& seconds : curve.seconds) seconds *= ratio;
    curve.provenance = Provenance::assumed;
  }
  for (CollectiveCurve& curve : profile.collectives) {
    const Link& old_link = curve.crosses_nodes ? before.nic : before.intra_node;
    const Link& new_link = curve.crosses_nodes ? after.nic : after.intra_node;
    if (old_link == new_link || !old_link.present() || !new_link.present()) continue;
    for (Seconds& seconds : curve.seconds)
      seconds = new_link.latency_s + std::max(0.0, seconds - old_link.latency_s) * old_link.bandwidth_bytes_per_s /
                                         new_link.bandwidth_bytes_per_s;
    curve.provenance = Provenance::assumed;
  }
  return profile;
}

}  // namespace moesaic::cli
