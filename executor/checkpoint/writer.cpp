#include "executor/checkpoint/writer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "executor/checkpoint/folder_lock.h"

namespace moesaic::executor {
namespace {

// A report starts with one of these; the rest is what the round needs, or the message.
constexpr char kDone = '+', kFailed = '!';

/// The elements of the pieces, in their order, without gaps.
void append_packed(const SavedArray& array, std::vector<float>& out) {
  for (const Piece& piece : array.pieces)
    for (int64_t r = 0; r < piece.runs; ++r) {
      const float* run = array.data + piece.local_offset + r * piece.local_stride;
      out.insert(out.end(), run, run + piece.run);
    }
}

}  // namespace

CheckpointWriter::CheckpointWriter(FileSystem& files, Communicator& communicator, CheckpointOptions options)
    : files_(files), communicator_(communicator), options_(std::move(options)) {
  MOESAIC_CHECK(options_.keep >= 2, "a checkpoint that is being replaced needs one behind it");
  if (options_.loaded_step >= 0) kept_.push_back(options_.loaded_step);
  make_checkpoint_folder(files_, options_.folder);
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::save(int64_t step, const std::vector<SavedArray>& arrays, const std::string& meta) {
  wait();
  step_ = step;
  meta_ = meta;
  snapshot_.clear();
  pieces_.clear();
  for (const SavedArray& array : arrays) {
    append_packed(array, snapshot_);
    pieces_.insert(pieces_.end(), array.pieces.begin(), array.pieces.end());
  }
  round_ = 0;
  start_round();
}

void CheckpointWriter::start_round() {
  const bool leads = communicator_.rank() == 0;
  if (round_ == 0)
    job_ = std::async(std::launch::async, [this] { return write_own_shard(); });
  else if (leads)
    job_ = std::async(std::launch::async, [this] { return round_ == 1 ? write_own_manifest() : commit(); });
  else
    job_ = std::async(std::launch::deferred, [] { return std::string(); });
}

bool CheckpointWriter::poll() {
  while (round_ < kRounds) {
    if (job_.valid()) {
      if (job_.wait_for(std::chrono::seconds(0)) == std::future_status::timeout) return false;
      std::string report;
      try {
        report = kDone + job_.get();
      } catch (const std::exception& error) {
        report = kFailed + std::string(error.what());
      }
      exchange_ = std::make_unique<TextGather>(communicator_, sequence_, std::move(report));
      sequence_ += 2;
    }
    if (!exchange_->poll()) return false;
    finish_round(exchange_->texts());
  }
  return true;
}

void CheckpointWriter::finish_round(std::vector<std::string> reports) {
  exchange_.reset();
  for (const std::string& report : reports) {
    if (report[0] == kDone) continue;
    round_ = kRounds;
    throw DeviceError("checkpoint of step " + std::to_string(step_) + ": " + report.substr(1) +
                      (kept_.empty() ? "" : "; the one of step " + std::to_string(kept_.back()) + " is complete"));
  }
  reports_ = std::move(reports);
  if (++round_ < kRounds) return start_round();
  committed_step_ = step_;
  std::erase(kept_, step_);  // written once more, after a fall back
  kept_.push_back(step_);
  if (static_cast<int>(kept_.size()) > options_.keep) kept_.erase(kept_.begin());
}

void CheckpointWriter::wait() {
  while (!poll())
    if (job_.valid())
      job_.wait_for(std::chrono::microseconds(100));
    else
      std::this_thread::yield();
}

std::string CheckpointWriter::write_own_shard() const {
  Shard shard{shard_name(step_, communicator_.rank()), {}, pieces_};
  shard.summary =
      write_block_file(files_, options_.folder, shard.file, std::as_bytes(std::span(snapshot_)), options_.block_bytes);
  return write_shard(shard).dump();
}

std::string CheckpointWriter::write_own_manifest() const {
  Manifest manifest{step_, meta_, {}};
  for (const std::string& report : reports_)
    manifest.shards.push_back(read_shard(parse_json(report.substr(1), "report"), "report", ""));
  const std::string name = manifest_name(step_), text = write_manifest(manifest);
  read_manifest(text, name);  // refuses elements that are missing or twice, before anything is committed
  write_block_file(files_, options_.folder, name, std::as_bytes(std::span(text)), options_.block_bytes);
  return {};
}

std::string CheckpointWriter::commit() const {
  const std::string name = manifest_name(step_);
  write_block_file(files_, options_.folder, kCurrent, std::as_bytes(std::span(name)), options_.block_bytes);
  remove_others();
  return {};
}

/// Only once CURRENT is durable. What cannot be removed now is found again by the next commit, so failures are no
/// reason to end anything.
void CheckpointWriter::remove_others() const {
  std::vector<int64_t> kept = kept_;
  std::erase(kept, step_);
  if (static_cast<int>(kept.size()) >= options_.keep) kept.erase(kept.begin());
  kept.push_back(step_);
  std::vector<std::string> names;
  if (files_.list(options_.folder, names) != 0) return;
  for (const std::string& name : names) {
    const std::optional<int64_t> step = step_of_name(name);
    const bool unfinished = name.ends_with(".tmp");
    if (step && (unfinished || std::find(kept.begin(), kept.end(), *step) == kept.end()))
      files_.unlink(options_.folder + "/" + name);
  }
}

}  // namespace moesaic::executor
