#include "executor/cuda/cuda_backend.h"

#include <nvtx3/nvToolsExt.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/schema/error.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/finite.h"

namespace moesaic::executor::cuda {
namespace {

/// Names what is appended meanwhile in Nsight's timeline; costs nothing where no profiler listens.
class NamedRange {
 public:
  explicit NamedRange(const std::string& name) { nvtxRangePushA(name.c_str()); }
  ~NamedRange() { nvtxRangePop(); }
  NamedRange(const NamedRange&) = delete;
  NamedRange& operator=(const NamedRange&) = delete;
};

/// Makes `device` current before any member touches the driver.
int checked_device(int device) {
  if (device < 0 || device >= device_count())
    throw DeviceError("cuda: no device " + std::to_string(device) + ", this machine has " +
                      std::to_string(device_count()));
  CUDA_CHECK(cudaSetDevice(device));
  return device;
}

}  // namespace

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  (void)cudaGetLastError();
  return 0;
}

CudaBackend::CudaBackend(int device, Bytes pinned_cap) : device_(checked_device(device)), staging_(pinned_cap) {
  try {
    // Non-blocking: a lane must not wait for the legacy default stream, which libraries may use.
    for (Stream& stream : streams_) CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  } catch (...) {
    close();
    throw;
  }
}

CudaBackend::~CudaBackend() { close(); }

/// Errors are passed over: there is nobody left to tell, and each object must still be given back.
void CudaBackend::close() {
  (void)cudaSetDevice(device_);
  if (capturing_) {  // an error has ended it
    cudaGraph_t graph = nullptr;
    (void)cudaStreamEndCapture(stream(Lane::compute), &graph);
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
  }
  for (Stream stream : streams_)
    if (stream != nullptr) (void)cudaStreamSynchronize(stream);
  for (Lane lane : {Lane::compute, Lane::copy_in, Lane::copy_out, Lane::network, Lane::storage})
    if (last_event_[static_cast<size_t>(lane)] != kNoEvent) recycle(last_event_[static_cast<size_t>(lane)]);
  for (DeviceEventHandle event : free_events_) (void)cudaEventDestroy(event);
  clock_.close();
  if (captured_ != nullptr) (void)cudaGraphExecDestroy(captured_);
  for (void* data : captured_blocks_.drain()) (void)cudaFree(data);
  for (void* data : cache_.drain()) (void)cudaFree(data);
  for (const auto& [data, bytes] : block_bytes_) (void)cudaFree(data);
  for (Stream stream : streams_)
    if (stream != nullptr) (void)cudaStreamDestroy(stream);
}

/// The current device belongs to the thread, and the runtime may have made this object on another one.
void CudaBackend::use_device() const { CUDA_CHECK(cudaSetDevice(device_)); }

std::string CudaBackend::device_name() const {
  cudaDeviceProp properties{};
  CUDA_CHECK(cudaGetDeviceProperties(&properties, device_));
  return properties.name;
}

Bytes CudaBackend::memory_bytes() const {
  use_device();
  size_t free = 0, total = 0;
  CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<Bytes>(total);
}

Bytes CudaBackend::cache_bytes() const {
  int bytes = 0;
  CUDA_CHECK(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device_));
  return bytes;
}

/// A block that was released may still be in use: the lane that takes it over waits on the device for the lanes that
/// used it, its own work being in order anyway. So the host may run ahead of the device without needing more memory
/// than a step does.
void* CudaBackend::allocate(Bytes bytes, Lane first_user) {
  use_device();
  const Bytes block_bytes = size_class(bytes);
  const SizeClassCache::Block released = cache_.take(block_bytes);
  void* data = released.data;
  if (data != nullptr) {
    for (size_t lane = 0; lane < released.fence.size(); ++lane)
      if (released.fence[lane] != kNoEvent && static_cast<Lane>(lane) != first_user)
        wait_for(first_user, released.fence[lane]);
  } else {
    if (capturing_)
      throw DeviceError("cuda: " + format_bytes(static_cast<double>(bytes)) +
                        " more than the step before the captured one left; run without a CUDA graph");
    data = device_malloc(block_bytes);
    if (data == nullptr) {  // what waits in the cache may be of other sizes
      free_cached();
      data = device_malloc(block_bytes);
    }
    if (data == nullptr)
      throw DeviceError("cuda: no memory for " + format_bytes(static_cast<double>(bytes)) + " beside " +
                        format_bytes(static_cast<double>(allocated_bytes_)) + " in use");
    allocated_bytes_ += block_bytes;
  }
  block_bytes_[data] = block_bytes;
  return data;
}

void* CudaBackend::device_malloc(Bytes block_bytes) {
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, static_cast<size_t>(block_bytes));
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return nullptr;
  }
  CUDA_CHECK(error);
  return data;
}

void CudaBackend::free_cached() {
  synchronize();
  allocated_bytes_ -= cache_.held_bytes();
  for (void* data : cache_.drain()) CUDA_CHECK(cudaFree(data));
}

void CudaBackend::release(void* data, LaneSet users) {
  if (data == nullptr) return;
  use_device();
  const auto block = block_bytes_.find(data);
  MOESAIC_CHECK(block != block_bytes_.end(), "the backend did not give out this block");
  cache_.put(data, block->second, fence(users));
  block_bytes_.erase(block);
}

/// While a graph is captured, the order of the compute lane is protection enough.
Fence CudaBackend::fence(LaneSet users) {
  Fence fence{};
  for (size_t lane = 0; lane < fence.size() && !capturing_; ++lane) {
    if (!users.has(static_cast<Lane>(lane))) continue;
    if (dirty_[lane]) (void)record(static_cast<Lane>(lane));
    fence[lane] = last_event_[lane];
  }
  return fence;
}

void* CudaBackend::allocate_host(Bytes bytes) {
  use_device();
  return staging_.allocate(bytes);
}

void CudaBackend::release_host(void* data) { staging_.release(data); }

const KernelTable<CudaKernels>& CudaBackend::kernels() {
  static const KernelTable<CudaKernels> table(
      "cuda", {dense_kernels(), attention_kernels(), router_kernels(), row_mover_kernels(), einsum_kernels(),
               expert_kernels(), update_kernels()});
  return table;
}

void CudaBackend::launch(const Launch& launch) {
  const NamedRange range(launch.task.label);
  use_device();
  appended(launch.task.lane);
  CudaKernels device{linear_, attention_, stream(launch.task.lane)};
  kernels().launch(launch, device);
}

void CudaBackend::copy(Lane lane, void* to, const void* from, Bytes bytes) {
  if (bytes == 0) return;
  use_device();
  appended(lane);
  CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, stream(lane)));
}

void CudaBackend::clear(Lane lane, void* data, Bytes bytes) {
  if (bytes == 0) return;
  use_device();
  appended(lane);
  CUDA_CHECK(cudaMemsetAsync(data, 0, static_cast<size_t>(bytes), stream(lane)));
}

NonFinite CudaBackend::find_non_finite(std::span<const Operand> operands, ExactSquares* squares) {
  struct Answer {
    int64_t first;
    std::array<std::array<uint64_t, ExactSquares::kExponents>, 2> sums;  // low and high halves
  };
  std::vector<Gradient> arrays;
  for (const Operand& operand : operands) arrays.push_back({operand.data, operand.elements(), operand.dtype});
  auto* on_device = static_cast<Answer*>(allocate(sizeof(Answer)));
  cuda::find_non_finite(arrays, &on_device->first, squares != nullptr ? on_device->sums[0].data() : nullptr,
                        append_to(Lane::compute));
  Answer answer{};
  copy(Lane::compute, &answer, on_device, squares != nullptr ? sizeof answer : sizeof answer.first);
  CUDA_CHECK(cudaStreamSynchronize(stream(Lane::compute)));
  release(on_device);
  if (answer.first >= 0) return {static_cast<int>(array_of(answer.first)), element_of(answer.first)};
  for (size_t half = 0; squares != nullptr && half < answer.sums.size(); ++half) squares->add(answer.sums[half], half);
  return {};
}

Event CudaBackend::record(Lane lane) {
  MOESAIC_CHECK(!capturing_, "nobody can wait for a point of a graph that is being captured");
  use_device();
  recycle_passed(lane);
  DeviceEventHandle handle = nullptr;
  if (free_events_.empty()) {
    CUDA_CHECK(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming));
  } else {
    handle = free_events_.back();
    free_events_.pop_back();
  }
  const cudaError_t error = cudaEventRecord(handle, stream(lane));
  if (error != cudaSuccess) free_events_.push_back(handle);
  CUDA_CHECK(error);
  dirty_[static_cast<size_t>(lane)] = false;
  return last_event_[static_cast<size_t>(lane)] = ledger_.add(lane, handle);
}

bool CudaBackend::done(Event event) {
  const DeviceEventHandle handle = ledger_.pending(event);
  if (handle == nullptr) return true;
  use_device();
  const cudaError_t state = cudaEventQuery(handle);
  if (state == cudaErrorNotReady) {
    (void)cudaGetLastError();
    return false;
  }
  CUDA_CHECK(state);
  recycle(event);
  return true;
}

void CudaBackend::wait_for(Lane lane, Event event) {
  const DeviceEventHandle handle = ledger_.pending(event);
  if (handle == nullptr) return;
  use_device();
  CUDA_CHECK(cudaStreamWaitEvent(stream(lane), handle, 0));
}

void CudaBackend::recycle(Event passed) {
  for (DeviceEventHandle handle : ledger_.pass(passed)) free_events_.push_back(handle);
}

/// Keeps the ledger short where nobody asks done().
void CudaBackend::recycle_passed(Lane lane) {
  for (auto oldest = ledger_.oldest(lane); oldest && done(*oldest); oldest = ledger_.oldest(lane)) {
  }
}

void CudaBackend::mark(Lane lane, Seconds* at) {
  if (!capturing_) clock_.mark(append_to(lane), at);
}

void CudaBackend::settle() {
  synchronize();
  clock_.settle(stream(Lane::compute));
}

/// All events have passed, so nothing that is captured waits for what came before.
bool CudaBackend::begin_capture() {
  MOESAIC_CHECK(captured_ == nullptr && !capturing_, "there is a captured graph already");
  synchronize();
  for (size_t lane = 0; lane < streams_.size(); ++lane) recycle_passed(static_cast<Lane>(lane));
  CUDA_CHECK(cudaStreamBeginCapture(stream(Lane::compute), cudaStreamCaptureModeThreadLocal));
  return capturing_ = true;
}

/// The cache starts anew: the graph keeps the addresses of the blocks in it.
void CudaBackend::end_capture() {
  use_device();
  cudaGraph_t graph = nullptr;
  capturing_ = false;
  CUDA_CHECK(cudaStreamEndCapture(stream(Lane::compute), &graph));
  const cudaError_t error = cudaGraphInstantiate(&captured_, graph, 0);
  (void)cudaGraphDestroy(graph);
  CUDA_CHECK(error);
  captured_blocks_ = std::exchange(cache_, {});
  linear_.scratch().hold();
}

void CudaBackend::replay() { CUDA_CHECK(cudaGraphLaunch(captured_, append_to(Lane::compute))); }

void CudaBackend::synchronize() {
  use_device();
  for (Stream stream : streams_) CUDA_CHECK(cudaStreamSynchronize(stream));
}

}  // namespace moesaic::executor::cuda
