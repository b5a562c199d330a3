#pragma once
// One durable file: blocks of payload, then a footer with the CRC-32C of each block and of itself. Shards, manifests
// and CURRENT are such files; what their payload means is not known here.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/schema/error.h"
#include "executor/checkpoint/file_system.h"

namespace moesaic::executor {

inline constexpr int64_t kBlockBytes = int64_t{1} << 20;

/// A file that cannot be read or does not hold what was written.
class DamagedFile : public std::runtime_error {
 public:
  DamagedFile(std::string path, const std::string& problem)
      : std::runtime_error(path + ": " + problem), path_(std::move(path)), problem_(problem) {}
  const std::string& path() const { return path_; }
  const std::string& problem() const { return problem_; }

 private:
  std::string path_, problem_;
};

struct BlockFileSummary {
  int64_t payload_bytes = 0;
  uint64_t hash = 0;  // FNV-1a 64 of the footer, and so of size and every block's checksum
  bool operator==(const BlockFileSummary&) const = default;
};

/// folder/name.tmp -> pwrite -> fsync -> rename -> fsync(folder): when it returns the file is complete and durable
/// under its name. DeviceError, naming the file and the call, when the system refuses; what stood there before then
/// still does, unless only the last fsync failed.
BlockFileSummary write_block_file(FileSystem& files, const std::string& folder, const std::string& name,
                                  std::span<const std::byte> payload, int64_t block_bytes = kBlockBytes);

/// Makes names in a folder durable, for the sake of `path`. DeviceError naming that.
void sync_folder(FileSystem& files, const std::string& folder, const std::string& path);

/// Reads payload, of which it keeps one block. Every function throws DamagedFile.
class BlockFile {
 public:
  BlockFile(FileSystem& files, std::string path);
  ~BlockFile();
  BlockFile(const BlockFile&) = delete;
  BlockFile& operator=(const BlockFile&) = delete;

  const BlockFileSummary& summary() const { return summary_; }
  /// Payload bytes [offset, offset + out.size()), once every block that they touch has been verified.
  void read(int64_t offset, std::span<std::byte> out);
  void verify_all();
  std::string text();  // the whole payload

 private:
  void read_footer();
  void read_raw(int64_t offset, void* out, size_t bytes);
  void fetch(int64_t block);

  FileSystem& files_;
  std::string path_;
  int file_ = -1;
  BlockFileSummary summary_;
  int64_t block_bytes_ = 0;
  std::vector<uint32_t> checksums_;  // [blocks]
  std::vector<std::byte> block_;
  int64_t held_ = -1;  // which block stands in block_
};

}  // namespace moesaic::executor
