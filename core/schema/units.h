#pragma once
// The units of the suite as types: SI throughout, GB = 1e9 bytes, GiB = 2^30 bytes. Parsing of "900 GB/s" happens at
// the document border only.

#include <cstdint>
#include <string>
#include <string_view>

namespace moesaic {

using Seconds = double;
using Bytes = int64_t;
using BytesPerSecond = double;
using FlopsPerSecond = double;

/// Element types of tensors; the last three only of weights that are stored so.
enum class DType { f32, bf16, f16, fp8, fp4, i32, nvfp4, int4, int4_128 };

/// Bits of one element. Of 4-bit types the scales of groups are included: fp4 is mxfp4, one 8-bit scale per 32 elements
/// (OCP MX v1.0); nvfp4 one per 16; int4 a 16-bit scale per 32 (compressed-tensors), int4_128 a 16-bit scale and a
/// 4-bit zero per 128 (GPTQ, AWQ).
double bits_per_element(DType dtype);
Bytes bytes_of(DType dtype, int64_t elements);
const char* name_of(DType dtype);

/// "80 GB" -> 80e9, "24 GiB" -> 24 * 2^30, "900 GB/s" -> 900e9, "25 Gb/s" -> 3.125e9, "7 us" -> 7e-6, "312 TFLOP/s" ->
/// 312e12. Throws std::invalid_argument where the text has another unit than `unit` ("B", "B/s", "s", "FLOP/s").
double parse_quantity(std::string_view text, std::string_view unit);

/// 1234567 -> "1.23 MB"; 0.00123 -> "1.23 ms", 1540 -> "25.7 min", 7200 -> "2 h"; 312e12 -> "312 TFLOP/s".
std::string format_bytes(double bytes);
std::string format_seconds(double seconds);
std::string format_count(double count);

/// Of a whole: 0.4123 -> "41.2 %", 0.00042 -> "0.042 %".
std::string format_share(double share);
/// From one figure to another, (b - a) / a: 0.0423 -> "+4.2 %"; from ten times on as the factor b / a: 1466 ->
/// "1,467x". What rounds to nothing is "+0.0 %" whatever its sign.
std::string format_change(double change, int decimals = 1);

}  // namespace moesaic
