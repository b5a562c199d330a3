#pragma once
// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds every error of one bit, and others but once in 2^32.
// It is no protection against intent.

#include <cstddef>
#include <cstdint>

namespace moesaic::executor {

/// By the processor's instruction where it has one, else by the table.
uint32_t crc32c(const void* data, size_t bytes);

/// The same, byte by byte: polynomial 0x1EDC6F41, reflected, from 0xFFFFFFFF, complemented.
uint32_t crc32c_by_table(const void* data, size_t bytes);

}  // namespace moesaic::executor
