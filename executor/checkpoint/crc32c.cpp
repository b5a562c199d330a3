#include "executor/checkpoint/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace moesaic::executor {
namespace {

constexpr uint32_t kReflectedPolynomial = 0x82F63B78;  // 0x1EDC6F41 with its bits in reverse

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReflectedPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t by_instruction(const void* data, size_t bytes) {
  const auto* next = static_cast<const unsigned char*>(data);
  uint64_t crc = 0xFFFFFFFF;
  for (; bytes >= 8; bytes -= 8, next += 8) {
    uint64_t word;
    std::memcpy(&word, next, sizeof word);
    crc = _mm_crc32_u64(crc, word);
  }
  for (; bytes > 0; --bytes) crc = _mm_crc32_u8(static_cast<uint32_t>(crc), *next++);
  return ~static_cast<uint32_t>(crc);
}
#endif

}  // namespace

uint32_t crc32c_by_table(const void* data, size_t bytes) {
  const auto* next = static_cast<const unsigned char*>(data);
  uint32_t crc = 0xFFFFFFFF;
  for (; bytes > 0; --bytes) crc = (crc >> 8) ^ kTable[(crc ^ *next++) & 0xFF];
  return ~crc;
}

uint32_t crc32c(const void* data, size_t bytes) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return by_instruction(data, bytes);
#endif
  return crc32c_by_table(data, bytes);
}

}  // namespace moesaic::executor
