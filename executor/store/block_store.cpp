#include "executor/store/block_store.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/schema/error.h"
#include "executor/store/aligned_buffer.h"

namespace moesaic::executor {
namespace {

/// An empty file under a name that no other rank has, also where ranks of several nodes share the folder.
std::string reserve_name(const std::string& folder) {
  std::string path = folder + "/moesaic-blocks-XXXXXX";
  const int fd = ::mkostemp(path.data(), 0);
  if (fd < 0) throw DeviceError(folder + ": making a block store failed: " + std::strerror(errno));
  ::close(fd);
  return path;
}

}  // namespace

BlockStore::BlockStore(const std::string& folder, int64_t num_blocks, int64_t payload_bytes, AsyncFileOptions options)
    : block_bytes_(padded_to_file_alignment(payload_bytes)) {
  MOESAIC_CHECK(num_blocks > 0 && payload_bytes > 0 && num_blocks <= INT64_MAX / block_bytes_,
                "a block store needs blocks, and they need a size");
  users_.resize(static_cast<size_t>(num_blocks));
  const std::string path = reserve_name(folder);
  file_ = AsyncFile::create(path, num_blocks * block_bytes_, std::move(options));
  // The file lives on without a name: a run that is killed leaves nothing behind.
  if (::unlink(path.c_str()) != 0) throw DeviceError(path + ": unlink failed: " + std::strerror(errno));
}

Ticket BlockStore::read(int64_t block, void* to) {
  check(block);
  int& users = users_[static_cast<size_t>(block)];
  MOESAIC_CHECK(users != kWriting, "block " + std::to_string(block) + " is read before its write was seen to end");
  const Ticket ticket = file_->read(block * block_bytes_, to, block_bytes_);
  ++users;
  block_of_[ticket.number] = block;
  ++traffic_.blocks_read;
  traffic_.bytes_read += block_bytes_;
  return ticket;
}

Ticket BlockStore::write(int64_t block, const void* from) {
  check(block);
  int& users = users_[static_cast<size_t>(block)];
  MOESAIC_CHECK(users == 0, "block " + std::to_string(block) + " is written before its last use was seen to end");
  const Ticket ticket = file_->write(block * block_bytes_, from, block_bytes_);
  users = kWriting;
  block_of_[ticket.number] = block;
  ++traffic_.blocks_written;
  traffic_.bytes_written += block_bytes_;
  return ticket;
}

bool BlockStore::done(Ticket ticket) {
  try {
    if (!file_->done(ticket)) return false;
  } catch (const DeviceError&) {
    release(ticket);
    throw;
  }
  release(ticket);
  return true;
}

void BlockStore::wait(Ticket ticket) {
  try {
    file_->wait(ticket);
  } catch (const DeviceError&) {
    release(ticket);
    throw;
  }
  release(ticket);
}

void BlockStore::check(int64_t block) const {
  MOESAIC_CHECK(block >= 0 && block < num_blocks(), "the store has no block " + std::to_string(block));
}

void BlockStore::release(Ticket ticket) {
  const auto found = block_of_.find(ticket.number);
  if (found == block_of_.end()) return;
  int& users = users_[static_cast<size_t>(found->second)];
  users = users == kWriting ? 0 : users - 1;
  block_of_.erase(found);
}

}  // namespace moesaic::executor
