#include "core/schema/units.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace moesaic {
namespace {

TEST(Units, ReadsQuantitiesExactly) {
  struct Row {
    const char *text, *unit;
    double value;
  };
  constexpr Row kRows[] = {{"80 GB", "B", 80e9},
                           {"24 GiB", "B", 25769803776.0},
                           {"24GiB", "B", 25769803776.0},
                           {"0 B", "B", 0},
                           {"1.5 kB", "B", 1500},
                           {"512 KiB", "B", 524288},
                           {"8 Gb", "B", 1e9},
                           {"7.68 TB", "B", 7.68e12},
                           {"900 GB/s", "B/s", 900e9},
                           {"25 Gb/s", "B/s", 3.125e9},
                           {"100 Gbps", "B/s", 12.5e9},
                           {"200 Gbit/s", "B/s", 25e9},
                           {"1 GiB/s", "B/s", 1073741824},
                           {"7 us", "s", 7e-6},
                           {"7 \xC2\xB5s", "s", 7e-6},
                           {"250 ns", "s", 250e-9},
                           {"1.5 ms", "s", 1.5e-3},
                           {"30s", "s", 30},
                           {"2 min", "s", 120},
                           {"1 h", "s", 3600},
                           {" 3e-6 s ", "s", 3e-6},
                           {"312 TFLOP/s", "FLOP/s", 312e12},
                           {"19.5 TFLOPS", "FLOP/s", 19.5e12}};
  for (const Row& row : kRows) EXPECT_EQ(parse_quantity(row.text, row.unit), row.value) << row.text;
}

TEST(Units, RefusesOtherUnitsAndBareNumbers) {
  constexpr const char* kWrong[][2] = {{"80 GB", "B/s"}, {"80 GB/s", "B"}, {"80", "B"},       {"", "B"},
                                       {"GB", "B"},      {"80 gb", "B"},   {"80 GB GB", "B"}, {"1e999 B", "B"},
                                       {"nan B", "B"},   {"inf s", "s"},   {"7 us", "B"},     {"7 ks", "s"},
                                       {"7 Gs", "s"},    {"--7 us", "s"},  {"1e308 EB", "B"}, {"1 TiFLOP/s", "FLOP/s"},
                                       {"7 m", "s"},     {"1,5 GB", "B"}};
  for (const auto& [text, unit] : kWrong) EXPECT_THROW(parse_quantity(text, unit), std::invalid_argument) << text;
}

TEST(Units, PrintsThreeDigitsAndAPrefix) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(999.6), "1 kB");
  EXPECT_EQ(format_bytes(1234567), "1.23 MB");
  EXPECT_EQ(format_bytes(80e9), "80 GB");
  EXPECT_EQ(format_bytes(-2.5e9), "-2.5 GB");
  EXPECT_EQ(format_seconds(0), "0 s");
  EXPECT_EQ(format_seconds(0.00123), "1.23 ms");
  EXPECT_EQ(format_seconds(7e-6), "7 us");
  EXPECT_EQ(format_seconds(2.5e-9), "2.5 ns");
  EXPECT_EQ(format_seconds(4e-11), "0.04 ns");
  EXPECT_EQ(format_seconds(1), "1 s");
  EXPECT_EQ(format_seconds(0.9999), "1 s");
  EXPECT_EQ(format_seconds(123.4), "123 s");
  EXPECT_EQ(format_seconds(599.4), "599 s");
  EXPECT_EQ(format_seconds(599.6), "9.99 min");  // 599.6 / 60 = 9.993
  EXPECT_EQ(format_seconds(1540), "25.7 min");
  EXPECT_EQ(format_seconds(-1540), "-25.7 min");
  EXPECT_EQ(format_seconds(3599), "1 h");
  EXPECT_EQ(format_seconds(6000), "1.67 h");
  EXPECT_EQ(format_seconds(4.5e6), "1250 h");
  EXPECT_EQ(format_count(42), "42");
  EXPECT_EQ(format_count(31085), "31.1 k");
  EXPECT_EQ(format_count(312e12) + "FLOP/s", "312 TFLOP/s");
}

// fp4 is 4 bits and one 8-bit scale per 32 elements: 32 elements take 17 bytes, 1 takes 4.25 bits = 1 byte. nvfp4 has
// one per 16, int4 16 bits per 32: 18 bytes. int4_128 has 20 bits per 128: 66.5 bytes.
TEST(Units, CountsBytesOfElements) {
  EXPECT_EQ(bytes_of(DType::f32, 3), 12);
  EXPECT_EQ(bytes_of(DType::bf16, 3), 6);
  EXPECT_EQ(bytes_of(DType::f16, 3), 6);
  EXPECT_EQ(bytes_of(DType::fp8, 3), 3);
  EXPECT_EQ(bytes_of(DType::i32, 3), 12);
  EXPECT_EQ(bytes_of(DType::fp4, 32), 17);
  EXPECT_EQ(bytes_of(DType::fp4, 1), 1);
  EXPECT_EQ(bytes_of(DType::fp4, 65), 35);  // 34.53
  EXPECT_EQ(bytes_of(DType::nvfp4, 32), 18);
  EXPECT_EQ(bytes_of(DType::int4, 32), 18);
  EXPECT_EQ(bytes_of(DType::int4_128, 128), 67);
  EXPECT_EQ(bytes_of(DType::int4_128, 256), 133);
  EXPECT_EQ(bytes_of(DType::f32, int64_t{1} << 50), int64_t{1} << 52);
  EXPECT_STREQ(name_of(DType::bf16), "bf16");
}

TEST(Units, SharesHaveThreeDigits) {
  EXPECT_EQ(format_share(0.4123), "41.2 %");
  EXPECT_EQ(format_share(1), "100 %");
  EXPECT_EQ(format_share(0.00042), "0.042 %");
  EXPECT_EQ(format_share(0), "0 %");
}

// 1465.84 more than once is 1466.84 times, nearest 1,467.
TEST(Units, ChangesAreSignedPercentsAndFactorsFromTenTimesOn) {
  EXPECT_EQ(format_change(0.0423), "+4.2 %");
  EXPECT_EQ(format_change(-0.123), "-12.3 %");
  EXPECT_EQ(format_change(-0.0004), "+0.0 %");
  EXPECT_EQ(format_change(0.125, 2), "+12.50 %");
  EXPECT_EQ(format_change(8.99), "+899.0 %");
  EXPECT_EQ(format_change(9), "10x");
  EXPECT_EQ(format_change(1465.84), "1,467x");
}

}  // namespace
}  // namespace moesaic
