#include "cli/options/rank_list.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace moesaic::cli {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_ranks(text, 16);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing is refused";
}

TEST(RankList, NumbersAndRangesInAnyOrder) {
  EXPECT_EQ(parse_ranks("0", 1), (std::vector<int>{0}));
  EXPECT_EQ(parse_ranks("0,3,8-11", 16), (std::vector<int>{0, 3, 8, 9, 10, 11}));
  EXPECT_EQ(parse_ranks("15,2-4,3,2-2", 16), (std::vector<int>{2, 3, 4, 15}));
}

TEST(RankList, SaysWhatIsNone) {
  for (const char* text :
       {"", ",", "1,", "1,,2", "a", "1-", "-1", "3-1", "1-2-3", "1 2", " 1", "0x1", "1.5", "99999999999"})
    EXPECT_EQ(refusal(text),
              "\"" + std::string(text) + "\" is no list of ranks; expected ranks and ranges such as 0,3,8-15")
        << text;
  EXPECT_EQ(refusal("0,16"), "names rank 16; expected ranks from 0 to 15");
  EXPECT_EQ(refusal("3-2000000000"), "names rank 2000000000; expected ranks from 0 to 15");
}

}  // namespace
}  // namespace moesaic::cli
