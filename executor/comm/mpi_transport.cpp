#include "executor/comm/mpi_transport.h"

#ifdef MOESAIC_HAVE_MPI

// The C++ bindings of Open MPI 4 need a library of their own, and nothing here uses them.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <exception>
#include <vector>

#include "core/schema/error.h"
#include "executor/comm/tag.h"

namespace moesaic::executor {
namespace {

// With fewer bits than this a tag would come round while operations are still in flight.
constexpr int kMinRollingBits = 7;

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw DeviceError(std::string(call) + " failed: " + std::string(text, length));
}

struct MpiState final : Request::State {
  // Only unwinding gets here with live requests. Cancelling does not wait for the peer, who may be dead.
  ~MpiState() override {
    for (MPI_Request& chunk : chunks) {
      if (chunk == MPI_REQUEST_NULL) continue;
      MPI_Cancel(&chunk);
      MPI_Request_free(&chunk);
    }
  }

  std::vector<MPI_Request> chunks;
  std::vector<MPI_Status> statuses;  // [chunks], kept here so that polling does not allocate
  int64_t bytes_expected = -1;       // of a receive; -1 for a send
};

std::vector<int> find_nodes(MPI_Comm comm, int rank, int size, int ranks_per_node) {
  std::vector<int> nodes(size);
  if (ranks_per_node > 0) {
    for (int r = 0; r < size; ++r) nodes[r] = r / ranks_per_node;
    return nodes;
  }
  MPI_Comm shared;
  check(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &shared), "MPI_Comm_split_type");
  int leader = rank;  // lowest rank of the node
  check(MPI_Bcast(&leader, 1, MPI_INT, 0, shared), "MPI_Bcast");
  MPI_Comm_free(&shared);
  check(MPI_Allgather(&leader, 1, MPI_INT, nodes.data(), 1, MPI_INT, comm), "MPI_Allgather");
  std::vector<int> leaders = nodes;
  std::sort(leaders.begin(), leaders.end());
  leaders.erase(std::unique(leaders.begin(), leaders.end()), leaders.end());
  for (int& node : nodes) {
    node = static_cast<int>(std::lower_bound(leaders.begin(), leaders.end(), node) - leaders.begin());
  }
  return nodes;
}

int find_rolling_bits(MPI_Comm comm) {
  void* value = nullptr;
  int found = 0;
  check(MPI_Comm_get_attr(comm, MPI_TAG_UB, &value, &found), "MPI_Comm_get_attr");
  const auto largest_tag = static_cast<uint64_t>(found != 0 ? *static_cast<int*>(value) : 32767);
  const int bits = static_cast<int>(std::bit_width(largest_tag + 1)) - 1 - kCommunicatorBits;
  if (bits < kMinRollingBits) {
    throw DeviceError("this MPI allows tags up to " + std::to_string(largest_tag) + "; at least 2^23 - 1 are needed");
  }
  return bits;
}

}  // namespace

MpiSession::MpiSession() : exceptions_(std::uncaught_exceptions()) {
  int initialized = 0;
  MPI_Initialized(&initialized);
  owned_ = initialized == 0;
  int provided = MPI_THREAD_SINGLE;
  if (owned_) {
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  } else {
    MPI_Query_thread(&provided);
  }
  if (provided < MPI_THREAD_FUNNELED) throw DeviceError("this MPI does not support MPI_THREAD_FUNNELED");
}

MpiSession::~MpiSession() {
  if (owned_ && std::uncaught_exceptions() == exceptions_) MPI_Finalize();
}

struct MpiTransport::Impl {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0;
  int size = 0;
  int rolling_bits = 0;
  int64_t chunk_bytes = 0;
  std::vector<int> nodes;  // [size]
  int exceptions = std::uncaught_exceptions();
};

MpiTransport::MpiTransport(const MpiSession&, int ranks_per_node, int64_t chunk_bytes)
    : impl_(std::make_unique<Impl>()) {
  MOESAIC_CHECK(ranks_per_node >= 0 && chunk_bytes > 0 && chunk_bytes <= kMpiChunkBytes, "chunks are 1 byte to 1 GiB");
  check(MPI_Comm_dup(MPI_COMM_WORLD, &impl_->comm), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(impl_->comm, MPI_ERRORS_RETURN);
  MPI_Comm_rank(impl_->comm, &impl_->rank);
  MPI_Comm_size(impl_->comm, &impl_->size);
  impl_->chunk_bytes = chunk_bytes;
  impl_->rolling_bits = find_rolling_bits(impl_->comm);
  impl_->nodes = find_nodes(impl_->comm, impl_->rank, impl_->size, ranks_per_node);
}

// Freeing a communicator is collective, so an unwinding rank leaves it to the end of the process.
MpiTransport::~MpiTransport() {
  if (std::uncaught_exceptions() == impl_->exceptions) MPI_Comm_free(&impl_->comm);
}

int MpiTransport::rank() const { return impl_->rank; }
int MpiTransport::size() const { return impl_->size; }
int MpiTransport::node(int rank) const { return impl_->nodes[rank]; }

Request MpiTransport::send(int to, int64_t tag, const void* data, int64_t bytes) {
  MOESAIC_CHECK(to >= 0 && to < impl_->size && bytes >= 0, "a message needs an existing receiver and a size");
  auto state = std::make_unique<MpiState>();
  const int mpi_tag = fold_tag(tag, impl_->rolling_bits);
  int64_t offset = 0;
  do {
    const auto chunk = static_cast<int>(std::min(bytes - offset, impl_->chunk_bytes));
    MPI_Request& request = state->chunks.emplace_back(MPI_REQUEST_NULL);
    check(MPI_Isend(static_cast<const std::byte*>(data) + offset, chunk, MPI_BYTE, to, mpi_tag, impl_->comm, &request),
          "MPI_Isend");
    offset += chunk;
  } while (offset < bytes);
  count(to, bytes);
  return Request(std::move(state));
}

Request MpiTransport::receive(int from, int64_t tag, void* data, int64_t bytes) {
  MOESAIC_CHECK(from >= 0 && from < impl_->size && bytes >= 0, "a message needs an existing sender and a size");
  auto state = std::make_unique<MpiState>();
  state->bytes_expected = bytes;
  const int mpi_tag = fold_tag(tag, impl_->rolling_bits);
  int64_t offset = 0;
  do {
    const auto chunk = static_cast<int>(std::min(bytes - offset, impl_->chunk_bytes));
    MPI_Request& request = state->chunks.emplace_back(MPI_REQUEST_NULL);
    check(MPI_Irecv(static_cast<std::byte*>(data) + offset, chunk, MPI_BYTE, from, mpi_tag, impl_->comm, &request),
          "MPI_Irecv");
    offset += chunk;
  } while (offset < bytes);
  return Request(std::move(state));
}

bool MpiTransport::test(Request& request) {
  if (request.finished()) return true;
  auto& state = static_cast<MpiState&>(*request.state());
  state.statuses.resize(state.chunks.size());
  int finished = 0;
  const int code =
      MPI_Testall(static_cast<int>(state.chunks.size()), state.chunks.data(), &finished, state.statuses.data());
  if (code == MPI_ERR_IN_STATUS) {
    for (const MPI_Status& status : state.statuses) {
      if (status.MPI_ERROR != MPI_ERR_PENDING) check(status.MPI_ERROR, "a message");
    }
  }
  check(code, "MPI_Testall");
  if (finished == 0) return false;
  if (state.bytes_expected >= 0) {
    int64_t arrived = 0;
    for (const MPI_Status& status : state.statuses) {
      int bytes = 0;
      MPI_Get_count(&status, MPI_BYTE, &bytes);
      arrived += bytes;
    }
    MOESAIC_CHECK(arrived == state.bytes_expected,
                  "received " + std::to_string(arrived) + " bytes, expected " + std::to_string(state.bytes_expected));
  }
  request.finish();
  return true;
}

void MpiTransport::abort(const std::string&) { MPI_Abort(impl_->comm, 3); }

}  // namespace moesaic::executor

#endif  // MOESAIC_HAVE_MPI
