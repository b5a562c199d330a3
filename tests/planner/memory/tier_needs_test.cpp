#include "planner/memory/tier_needs.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"

namespace moesaic::planner {
namespace {

Model semoe_104b() {
  const std::string file = MOESAIC_SOURCE_DIR "/profiles/models/semoe-104.1b.json";
  return read_model(read_json(file), file);
}

// H = 4096, 12 MoE layers, 64 experts of 8 H^2: D = 12 * 4 H^2 + 50304 H = 1,011,351,552; S = 12 * 64 * 8 H^2 =
// 103,079,215,104. 16 D = 16.2 GB, 4 S / L = 34.4 GB, 16 S = 1,649 GB, 12 S = 1,237 GB (SE-MoE, the row of 104.1B).
TEST(TierNeeds, OfTheRowOf104Billion) {
  const TierNeeds all = tier_needs(semoe_104b(), 1);
  EXPECT_EQ(all.device, 16.0 * 1'011'351'552 + 4.0 * 103'079'215'104 / 12);
  EXPECT_EQ(all.host, 1'649'267'441'664.0);
  EXPECT_EQ(all.storage, 1'236'950'581'248.0);
  EXPECT_EQ(tier_needs(semoe_104b(), 0).device, 16'181'624'832.0);
  EXPECT_EQ(all.device - tier_needs(semoe_104b(), 0).device, 34'359'738'368.0);
  EXPECT_EQ(tier_needs(semoe_104b(), 0.25).host, all.host / 4);
}

// 1 node of 8 devices of 80 GB: 50.5 GB of device memory fit, 1,649 GB of host memory do not fit 1 TiB.
TEST(TierNeeds, NameTheTierThatIsTooSmall) {
  Cluster cluster;
  cluster.devices_per_node = 8;
  cluster.device.memory_bytes = 80'000'000'000;
  cluster.host_memory_bytes = Bytes{1} << 40;
  cluster.storage_bytes = 7'680'000'000'000;
  EXPECT_NE(tier_shortage(tier_needs(semoe_104b(), 1), cluster).find("host memory of all nodes must hold"),
            std::string::npos);
  EXPECT_EQ(tier_shortage(tier_needs(semoe_104b(), 0.5), cluster), "");
  cluster.storage_bytes = 1'000'000'000'000;
  EXPECT_NE(tier_shortage(tier_needs(semoe_104b(), 0.5), cluster).find("storage of all nodes must hold"),
            std::string::npos);
  cluster.device.memory_bytes = 4'000'000'000;
  EXPECT_NE(tier_shortage(tier_needs(semoe_104b(), 0.5), cluster).find("device memory of all ranks must hold"),
            std::string::npos);
}

}  // namespace
}  // namespace moesaic::planner
