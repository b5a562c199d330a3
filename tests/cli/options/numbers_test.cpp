#include "cli/options/numbers.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace moesaic::cli {
namespace {

TEST(Durations, AreReadWithAUnitOrInSeconds) {
  EXPECT_EQ(parse_duration("30s", Zero::refused), 30);
  EXPECT_EQ(parse_duration("30", Zero::refused), 30);
  EXPECT_EQ(parse_duration("2min", Zero::refused), 120);    // 2 * 60
  EXPECT_EQ(parse_duration("500 ms", Zero::refused), 0.5);  // 500 / 1000
  EXPECT_EQ(parse_duration("1.5h", Zero::refused), 5400);   // 1.5 * 3600
  EXPECT_EQ(parse_duration("0", Zero::allowed), 0);
  EXPECT_EQ(parse_duration("0 ms", Zero::allowed), 0);
  EXPECT_EQ(parse_duration("1e9", Zero::refused), kLongestTime);
}

TEST(Durations, RefuseWhatIsNoSensibleTime) {
  for (const char* text : {"nan", "-nan", "inf", "-inf", "-1", "-3s", "1e300", "1e999", "1.1e9", "", " ", "s", "soon",
                           "5GB", "30 s s", "0x10"})
    for (const Zero zero : {Zero::refused, Zero::allowed})
      EXPECT_THROW(parse_duration(text, zero), std::invalid_argument) << text;
  EXPECT_THROW(parse_duration("0", Zero::refused), std::invalid_argument);
  EXPECT_THROW(parse_duration("0s", Zero::refused), std::invalid_argument);
}

}  // namespace
}  // namespace moesaic::cli
