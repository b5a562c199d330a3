#include "core/schema/nearest_name.h"

#include <gtest/gtest.h>

namespace moesaic {
namespace {

const std::vector<std::string> kPaths = {"links.nic.bandwidth_bytes_per_s", "links.nic.latency_s",
                                         "device.memory_bandwidth_bytes_per_s", "device.memory_bytes", "layout.ep"};

TEST(NearestPaths, AreNearBySpellingFirst) {
  EXPECT_EQ(nearest_paths("layout.epp", kPaths), std::vector<std::string>{"layout.ep"});
  EXPECT_EQ(nearest_paths("links.nic.latency", kPaths), std::vector<std::string>{"links.nic.latency_s"});
}

// "bandwidht" is "bandwidth" but for two letters that changed places; "nic" is there as it is.
TEST(NearestPaths, ElseShareMostOfTheirWords) {
  EXPECT_EQ(nearest_paths("nic.bandwidht", kPaths), std::vector<std::string>{"links.nic.bandwidth_bytes_per_s"});
  EXPECT_EQ(nearest_paths("memory", kPaths),
            (std::vector<std::string>{"device.memory_bytes", "device.memory_bandwidth_bytes_per_s"}));
  EXPECT_TRUE(nearest_paths("zzz", kPaths).empty());
  EXPECT_TRUE(nearest_paths("a_s", kPaths).empty());
}

}  // namespace
}  // namespace moesaic
