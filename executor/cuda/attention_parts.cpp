#include "executor/cuda/attention_parts.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int64_t kTile = 64;                         // rows and columns of scores that an engine of SM90 works on
constexpr int64_t kAlignedRows = 16 / sizeof(float);  // of statistics: 16 bytes, an engine's widest access

/// Parts follow each other, so all begin on a boundary if each is as long as a multiple of it.
bool is_aligned(const AttentionShape& part) { return attention_rows(part) % kAlignedRows == 0; }

}  // namespace

Bytes score_bytes(const AttentionShape& part) {
  const int64_t padded = (part.seq + kTile - 1) / kTile * kTile;
  return part.batch * part.heads * padded * padded * bytes_of(DType::bf16, 1);
}

AttentionShape backward_part(const AttentionShape& whole, Bytes limit) {
  AttentionShape best = whole;
  const auto consider = [&](int64_t batch, int64_t kv_heads) {
    AttentionShape part = whole;
    part.batch = batch, part.kv_heads = kv_heads, part.heads = kv_heads * whole.group();
    if (score_bytes(best) > limit && is_aligned(part)) best = part;
  };
  for (int64_t batch = whole.batch - 1; batch > 0; --batch)
    if (whole.batch % batch == 0) consider(batch, whole.kv_heads);
  for (int64_t kv_heads = whole.kv_heads - 1; kv_heads > 0; --kv_heads)
    if (whole.kv_heads % kv_heads == 0) consider(1, kv_heads);
  return best;
}

}  // namespace moesaic::executor::cuda
