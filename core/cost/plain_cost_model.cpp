#include "core/cost/plain_cost_model.h"

namespace moesaic {

Profile plain_profile(const Cluster& cluster, double efficiency) {
  Profile profile;
  profile.name = "plain";
  profile.device = cluster.device.name;
  profile.machine = cluster.name;
  profile.assumed_flops_efficiency = efficiency;
  profile.assumed_bandwidth_efficiency = efficiency;
  return profile;
}

}  // namespace moesaic
