// From shards to arrays: stretches of elements that a saved piece and a wanted piece have in common.

#include <algorithm>
#include <map>
#include <span>

#include "core/schema/error.h"
#include "executor/checkpoint/reader.h"

namespace moesaic::executor {
namespace {

struct Wanted {
  float* data;
  const Piece* piece;
  int64_t loaded = 0;  // elements
};
using WantedByTensor = std::map<std::string, std::vector<Wanted>>;

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// Runs of `piece` that touch logical elements [begin, end): the first, and one past the last.
/// Run r is [o + r s, o + r s + n), so o + r s + n > begin and o + r s < end.
std::pair<int64_t, int64_t> runs_touching(const Piece& piece, int64_t begin, int64_t end) {
  if (piece.runs == 1) {
    const bool touches = piece.logical_offset + piece.run > begin && piece.logical_offset < end;
    return {0, touches ? 1 : 0};
  }
  const int64_t first = floor_divide(begin - piece.logical_offset - piece.run, piece.logical_stride) + 1;
  const int64_t last = floor_divide(end - 1 - piece.logical_offset, piece.logical_stride) + 1;
  return {std::max<int64_t>(first, 0), std::min(last, piece.runs)};
}

/// Copies the elements [begin, end) of a tensor, which stand in the shard from element `at` on, to where they are
/// wanted.
void copy_run(BlockFile& file, int64_t at, int64_t begin, int64_t end, Wanted& wanted) {
  const Piece& piece = *wanted.piece;
  const auto [first, last] = runs_touching(piece, begin, end);
  for (int64_t r = first; r < last; ++r) {
    const int64_t run_begin = piece.logical_offset + r * piece.logical_stride;
    const int64_t from = std::max(begin, run_begin), to = std::min(end, run_begin + piece.run);
    float* out = wanted.data + piece.local_offset + r * piece.local_stride + (from - run_begin);
    file.read((at + from - begin) * static_cast<int64_t>(sizeof(float)),
              std::as_writable_bytes(std::span(out, static_cast<size_t>(to - from))));
    wanted.loaded += to - from;
  }
}

void load_shard(FileSystem& files, const std::string& folder, const Shard& shard, WantedByTensor& wanted) {
  const auto concerns = [&](const Piece& piece) { return wanted.contains(piece.tensor); };
  if (std::none_of(shard.pieces.begin(), shard.pieces.end(), concerns)) return;
  BlockFile file(files, folder + "/" + shard.file);
  if (file.summary() != shard.summary) throw DamagedFile(shard.file, "is not the file that the manifest speaks of");
  for (const Piece& saved : shard.pieces) {
    const auto found = wanted.find(saved.tensor);
    if (found == wanted.end()) continue;
    for (int64_t r = 0; r < saved.runs; ++r) {  // in the order of the file, so that a block is read once
      const int64_t begin = saved.logical_offset + r * saved.logical_stride;
      for (Wanted& one : found->second)
        copy_run(file, saved.local_offset + r * saved.local_stride, begin, begin + saved.run, one);
    }
  }
}

}  // namespace

void load_checkpoint(FileSystem& files, const std::string& folder, const Manifest& manifest,
                     const std::vector<LoadedArray>& arrays) {
  WantedByTensor wanted;
  for (const LoadedArray& array : arrays)
    for (const Piece& piece : array.pieces) wanted[piece.tensor].push_back({array.data, &piece});
  try {
    for (const Shard& shard : manifest.shards) load_shard(files, folder, shard, wanted);
  } catch (const DamagedFile& damaged) {
    throw DeviceError(damaged.what());
  }
  for (const auto& [tensor, parts] : wanted)
    for (const Wanted& one : parts)
      if (one.loaded != one.piece->elements())
        throw InputError(folder + "/" + manifest_name(manifest.step), "/shards",
                         "holds " + std::to_string(one.loaded) + " of " + std::to_string(one.piece->elements()) +
                             " elements of '" + tensor + "'",
                         "the tensors of the model that is trained");
}

}  // namespace moesaic::executor
