#include "executor/checkpoint/crc32c.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "core/schema/hash.h"

namespace moesaic::executor {
namespace {

// RFC 3720, appendix B.4; the last is the check value of the catalogue of CRCs.
TEST(Crc32c, HasTheValuesOfTheStandard) {
  const std::vector<unsigned char> zeros(32, 0), ones(32, 0xFF);
  std::vector<unsigned char> ascending(32);
  std::iota(ascending.begin(), ascending.end(), static_cast<unsigned char>(0));
  for (const auto& checksum : {crc32c, crc32c_by_table}) {
    EXPECT_EQ(checksum(zeros.data(), 32), 0x8A9136AAu);
    EXPECT_EQ(checksum(ones.data(), 32), 0x62A8AB43u);
    EXPECT_EQ(checksum(ascending.data(), 32), 0x46DD794Eu);
    EXPECT_EQ(checksum("123456789", 9), 0xE3069283u);
    EXPECT_EQ(checksum("", 0), 0u);
  }
}

// Every length to 300 from every alignment to 8: whole words and the rest of the instruction's loop.
TEST(Crc32c, InstructionAndTableAgree) {
  std::vector<unsigned char> bytes;
  for (uint64_t i = 0; i < 308; ++i) bytes.push_back(static_cast<unsigned char>(splitmix64(i)));
  for (size_t offset = 0; offset < 8; ++offset)
    for (size_t length = 0; length <= 300; ++length)
      ASSERT_EQ(crc32c(bytes.data() + offset, length), crc32c_by_table(bytes.data() + offset, length));
}

}  // namespace
}  // namespace moesaic::executor
