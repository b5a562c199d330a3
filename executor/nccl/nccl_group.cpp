#include "executor/nccl/nccl_group.h"

#include <algorithm>
#include <numeric>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

/// Complete when the network lane has passed it.
class NcclOperation final : public Operation {
 public:
  /// `others`: the other members' ranks.
  NcclOperation(NcclCommunicators& communicators, ncclComm_t comm, Backend& backend, std::string title,
                std::vector<int> others)
      : communicators_(communicators),
        comm_(comm),
        backend_(backend),
        title_(std::move(title)),
        others_(std::move(others)),
        passed_(backend.record(Lane::network)),
        deadline_(communicators.deadline()) {}

  std::vector<int> waiting_for() const override { return over_ ? std::vector<int>{} : others_; }

 private:
  // Errors come first: a kernel that NCCL has given up on also lets the lane go on.
  bool advance() override {
    communicators_.check(comm_, title_);
    over_ = backend_.done(passed_);
    if (!over_ && NcclCommunicators::Clock::now() > deadline_)
      communicators_.fail(comm_, title_, "not complete after " + communicators_.time_limit_text());
    return over_;
  }

  NcclCommunicators& communicators_;
  ncclComm_t comm_;
  Backend& backend_;
  std::string title_;
  std::vector<int> others_;
  Event passed_;
  NcclCommunicators::Clock::time_point deadline_;
  bool over_ = false;
};

ncclDataType_t nccl_type(SumType type) {
  return type == SumType::f64 ? ncclFloat64 : type == SumType::f32 ? ncclFloat32 : ncclBfloat16;
}

std::byte* at(const void* data, int64_t offset) { return static_cast<std::byte*>(const_cast<void*>(data)) + offset; }

}  // namespace

NcclGroup::NcclGroup(NcclCommunicators& communicators, ncclComm_t comm, std::vector<int> ranks, int own_rank,
                     Backend& backend, cudaStream_t stream)
    : communicators_(communicators),
      api_(communicators.api()),
      comm_(comm),
      ranks_(std::move(ranks)),
      backend_(backend),
      stream_(stream) {
  const auto own = std::find(ranks_.begin(), ranks_.end(), own_rank);
  MOESAIC_CHECK(own != ranks_.end(), "rank " + std::to_string(own_rank) + " is not in its group");
  rank_ = static_cast<int>(own - ranks_.begin());
}

std::string NcclGroup::title(const char* name, int64_t bytes) const {
  std::string text = std::string(name) + " of " + std::to_string(bytes) + " bytes between ranks ";
  for (const int rank : ranks_) text += (rank == ranks_.front() ? "" : ", ") + std::to_string(rank);
  return text;
}

std::unique_ptr<Operation> NcclGroup::appended(std::string title) {
  std::vector<int> others = ranks_;
  others.erase(others.begin() + rank_);
  return std::make_unique<NcclOperation>(communicators_, comm_, backend_, std::move(title), std::move(others));
}

/// Pairs in the order of Communicator's, nearest neighbours first; both sides skip a pair that exchanges nothing, since
/// they have computed the same sizes.
std::unique_ptr<Operation> NcclGroup::all_to_all_v(const void* send_data, std::span<const int64_t> send_bytes,
                                                   std::span<const int64_t> send_offset, void* recv_data,
                                                   std::span<const int64_t> recv_bytes,
                                                   std::span<const int64_t> recv_offset) {
  const auto me = static_cast<size_t>(rank_), members = ranks_.size();
  MOESAIC_CHECK(send_bytes.size() == members && send_offset.size() == members && recv_bytes.size() == members &&
                    recv_offset.size() == members,
                "all_to_all_v needs sizes and offsets for every member");
  MOESAIC_CHECK(send_bytes[me] == recv_bytes[me], "a member sends itself what it receives from itself");
  const int64_t sent = std::accumulate(send_bytes.begin(), send_bytes.end(), int64_t{0}) - send_bytes[me];
  const int64_t received = std::accumulate(recv_bytes.begin(), recv_bytes.end(), int64_t{0}) - recv_bytes[me];
  const std::string name = title("all_to_all_v", sent);
  communicators_.check(comm_, name);
  if (send_bytes[me] > 0)
    backend_.copy(Lane::network, at(recv_data, recv_offset[me]), at(send_data, send_offset[me]), send_bytes[me]);
  if (sent + received == 0) return appended(name);

  ncclResult_t first_error = ncclSuccess;
  const auto keep = [&](ncclResult_t result) {
    if (first_error == ncclSuccess && result != ncclInProgress) first_error = result;
  };
  communicators_.settle(comm_, api_.group_start(), name);
  for (size_t step = 1; step < members; ++step) {
    const size_t from = (me + members - step) % members, to = (me + step) % members;
    if (recv_bytes[from] > 0)
      keep(api_.recv(at(recv_data, recv_offset[from]), static_cast<size_t>(recv_bytes[from]), ncclUint8,
                     static_cast<int>(from), comm_, stream_));
    if (send_bytes[to] > 0)
      keep(api_.send(at(send_data, send_offset[to]), static_cast<size_t>(send_bytes[to]), ncclUint8,
                     static_cast<int>(to), comm_, stream_));
  }
  const ncclResult_t ended = api_.group_end();  // also after an error: a group that is left open swallows later calls
  communicators_.settle(comm_, first_error == ncclSuccess ? ended : first_error, name);
  return appended(name);
}

std::unique_ptr<Operation> NcclGroup::all_gather(const void* send_data, int64_t bytes, void* recv_data) {
  const std::string name = title("all_gather", bytes);
  communicators_.check(comm_, name);
  if (bytes > 0)
    communicators_.settle(
        comm_, api_.all_gather(send_data, recv_data, static_cast<size_t>(bytes), ncclUint8, comm_, stream_), name);
  return appended(name);
}

std::unique_ptr<Operation> NcclGroup::reduce_scatter(const void* input, void* output, int64_t count, SumType type) {
  const std::string name = title("reduce_scatter", size() * count * bytes_of(type));
  communicators_.check(comm_, name);
  if (count > 0)
    communicators_.settle(
        comm_, api_.reduce_scatter(input, output, static_cast<size_t>(count), nccl_type(type), ncclSum, comm_, stream_),
        name);
  return appended(name);
}

std::unique_ptr<Operation> NcclGroup::all_reduce(void* data, int64_t count, SumType type) {
  const std::string name = title("all_reduce", count * bytes_of(type));
  communicators_.check(comm_, name);
  if (count > 0)
    communicators_.settle(
        comm_, api_.all_reduce(data, data, static_cast<size_t>(count), nccl_type(type), ncclSum, comm_, stream_), name);
  return appended(name);
}

}  // namespace moesaic::executor
