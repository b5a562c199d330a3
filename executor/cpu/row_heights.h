#pragma once
// How many rows a matrix product may take at once without a row noticing. It computes no product of a step.
//
// A product is defined by blocks of kReferenceRows, the last one filled up: a row then has the same bits whatever rows
// come with it. Other heights are faster, but a library may sum in another order where another number of rows meets:
// with AVX2 oneDNN does so for every third multiple of 8. So a height is used only after it was seen, on this machine
// and for this very shape, to give each row the bits that the blocks give it. The order of a sum does not depend on the
// values summed, and random values betray another order in some of thousands of sums.

#include <algorithm>
#include <cstdint>
#include <functional>

#include "executor/cpu/primitive_cache.h"

namespace moesaic::executor::cpu {

constexpr std::int64_t kRowGranularity = 8;  // heights are its multiples
constexpr std::int64_t kReferenceRows = 64;
constexpr std::int64_t kMostRows = 512;  // plain primitives reach their peak here; larger ones gain nothing

using Product = std::function<void(const PrimitiveKey&, const void* a, const void* b, float* c)>;

/// Whether `product` gives each of key.m rows the bits that it has in a block of kReferenceRows, at any place there.
bool keeps_row_bits(const PrimitiveKey& key, const Product& product);

/// The same of execute_primitive; computed once for each key and process, at the price of two such products.
bool keeps_row_bits(const PrimitiveKey& key);

/// Calls block(first, rows, height) for the blocks of `rows` rows in order; height > rows where one is filled up.
/// keeps(height) says whether a height may be used.
template <typename Keeps, typename Block>
void for_each_row_block(std::int64_t rows, const Keeps& keeps, const Block& block) {
  for (std::int64_t first = 0; first < rows;) {
    const std::int64_t left = rows - first, whole = std::min(left / kRowGranularity * kRowGranularity, kMostRows);
    std::int64_t taken = std::min(left, kReferenceRows), height = kReferenceRows;
    if (whole > 0 && keeps(whole)) {
      taken = height = whole;
    } else if (taken < kReferenceRows) {
      height = (taken + kRowGranularity - 1) / kRowGranularity * kRowGranularity;
      while (height < kReferenceRows && !keeps(height)) height += kRowGranularity;
    }
    block(first, taken, height);
    first += taken;
  }
}

}  // namespace moesaic::executor::cpu
