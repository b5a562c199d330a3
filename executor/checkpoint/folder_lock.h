#pragma once
// One run at a time in a checkpoint folder: two would remove each other's checkpoints. The lock is the kernel's, so it
// ends with the process that holds it, however that ends. It says nothing of what is in the folder.

#include <string>

#include "core/schema/units.h"
#include "executor/checkpoint/file_system.h"

namespace moesaic::executor {

/// Makes the folder durably unless it is there, which other ranks may do at the same time; InputError where that cannot
/// be.
void make_checkpoint_folder(FileSystem& files, const std::string& folder);

class FolderLock {
 public:
  static constexpr const char* kFile = "LOCK";  // stays behind: to remove it would race with whoever opens it
  /// A run that was killed may hold the folder until its last write is through.
  static constexpr Seconds kPatience = 5;

  /// Makes the folder where it is missing. InputError where it is a file or cannot be written, and where another run
  /// still uses it after so long.
  FolderLock(FileSystem& files, const std::string& folder, Seconds patience = kPatience);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  bool take(Seconds patience);
  void sign();
  std::string holder();

  FileSystem& files_;
  int file_ = -1;
};

}  // namespace moesaic::executor
