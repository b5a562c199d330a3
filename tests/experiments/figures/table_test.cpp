#include "experiments/figures/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace moesaic::experiments {
namespace {

TEST(Table, HasAHeadARuleAndRows) {
  EXPECT_EQ(table_head({"plan", "ms"}) + table_row({"a", "1.50"}) + table_row({"b", ""}),
            "| plan | ms |\n"
            "|---|---|\n"
            "| a | 1.50 |\n"
            "| b |  |\n");
}

TEST(Table, NumbersFollowTheirFormat) {
  EXPECT_EQ(number("%+.1f %%", -4.52), "-4.5 %");
  EXPECT_EQ(signed_percent(-0.0452), "-4.5 %");
  const nlohmann::ordered_json json = {{"rate", 1024}};
  EXPECT_EQ(number("%.0f", json["rate"]), "1024");
}

TEST(Table, NumbersMayBeLong) { EXPECT_EQ(number("%.0f", 1e300).size(), 301u); }

}  // namespace
}  // namespace moesaic::experiments
