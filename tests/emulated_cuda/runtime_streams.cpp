// Stream, event and graph functions of the runtime API.

#include <algorithm>

#include "tests/emulated_cuda/device.h"

namespace emulated_cuda {
namespace {

constexpr int kPiecesPerQuery = 3;  // asking must come to an end, but not at once

Event* event_of(cudaEvent_t handle) {
  auto* event = reinterpret_cast<Event*>(handle);
  return device().events.contains(event) ? event : nullptr;
}

/// Null where an event was never recorded: then it counts as reached.
bool reached(const std::shared_ptr<Record>& record) { return record == nullptr || record->reached; }

cudaError_t query(const std::function<bool()>& done) {
  int left = kPiecesPerQuery;
  const cudaError_t state = device().run_until([&] { return done() || left-- == 0 || device().streams.all_idle(); });
  if (state != cudaSuccess) return state;
  return done() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t new_stream(cudaStream_t* handle) {
  (void)device().streams.default_stream();  // the first of all, so that it is never destroyed
  *handle = reinterpret_cast<cudaStream_t>(device().streams.create());
  return cudaSuccess;
}

/// Whether every node of the graph is in front of one of `last`.
bool joined(const Graph& graph, std::vector<size_t> last) {
  std::vector<bool> seen(graph.size());
  while (!last.empty()) {
    const size_t node = last.back();
    last.pop_back();
    if (seen[node]) continue;
    seen[node] = true;
    last.insert(last.end(), graph[node].behind.begin(), graph[node].behind.end());
  }
  return std::all_of(seen.begin(), seen.end(), [](bool found) { return found; });
}

cudaError_t wait(Stream* stream, const std::shared_ptr<Record>& record) {
  if (record == nullptr) return cudaSuccess;
  if (record->captured) {
    const auto capture = record->capture.lock();
    if (capture == nullptr || (stream->capture != nullptr && stream->capture != capture))
      return cudaErrorStreamCaptureIsolation;
  } else if (stream->capture != nullptr) {
    return cudaErrorStreamCaptureIsolation;
  }
  device().streams.wait(stream, record);
  return cudaSuccess;
}

}  // namespace
}  // namespace emulated_cuda

struct CUgraph_st {
  emulated_cuda::Graph nodes;
};
struct CUgraphExec_st {
  std::shared_ptr<const emulated_cuda::Graph> nodes;
};

using emulated_cuda::device;
using emulated_cuda::Event;
using emulated_cuda::event_of;
using emulated_cuda::Record;
using emulated_cuda::returned;
using emulated_cuda::Stream;

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(device().mutex);
  return returned(emulated_cuda::new_stream(stream));
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const std::lock_guard lock(device().mutex);
  Stream* stream = handle == nullptr ? nullptr : device().stream(handle);
  if (stream == nullptr) return returned(cudaErrorInvalidResourceHandle);
  device().streams.destroy(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const std::lock_guard lock(device().mutex);
  Stream* stream = device().stream(handle);
  if (stream == nullptr) return returned(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) return returned(cudaErrorStreamCaptureUnsupported);
  return returned(device().run_until([stream] { return stream->queue.empty(); }));
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const std::lock_guard lock(device().mutex);
  Stream* stream = device().stream(handle);
  if (stream == nullptr) return returned(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) return returned(cudaErrorStreamCaptureUnsupported);
  return returned(emulated_cuda::query([stream] { return stream->queue.empty(); }));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t event_handle, unsigned) {
  const std::lock_guard lock(device().mutex);
  Stream* stream = device().stream(stream_handle);
  const Event* event = event_of(event_handle);
  if (stream == nullptr || event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  return returned(emulated_cuda::wait(stream, event->last));
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  const std::lock_guard lock(device().mutex);
  auto* event = new Event{flags, nullptr};
  device().events.insert(event);
  *handle = reinterpret_cast<cudaEvent_t>(event);
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  const std::lock_guard lock(device().mutex);
  Event* event = event_of(handle);
  if (event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  device().events.erase(event);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event_handle, cudaStream_t stream_handle) {
  const std::lock_guard lock(device().mutex);
  if (device().broken != cudaSuccess) return returned(device().broken);
  Stream* stream = device().stream(stream_handle);
  Event* event = event_of(event_handle);
  if (stream == nullptr || event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  event->last = device().streams.record(stream);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  const std::lock_guard lock(device().mutex);
  const Event* event = event_of(handle);
  if (event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  return returned(emulated_cuda::query([record = event->last] { return emulated_cuda::reached(record); }));
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  const std::lock_guard lock(device().mutex);
  const Event* event = event_of(handle);
  if (event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  return returned(device().run_until([record = event->last] { return emulated_cuda::reached(record); }));
}

/// A thousandth of a millisecond for each piece of work.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from_handle, cudaEvent_t to_handle) {
  const std::lock_guard lock(device().mutex);
  const Event *from = event_of(from_handle), *to = event_of(to_handle);
  if (from == nullptr || to == nullptr || from->last == nullptr || to->last == nullptr ||
      ((from->flags | to->flags) & cudaEventDisableTiming) != 0)
    return returned(cudaErrorInvalidResourceHandle);
  if (!from->last->reached || !to->last->reached) return returned(cudaErrorNotReady);
  *milliseconds = (static_cast<float>(to->last->tick) - static_cast<float>(from->last->tick)) * 1e-3f;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const std::lock_guard lock(device().mutex);
  Stream* stream = handle == nullptr ? nullptr : device().stream(handle);
  if (stream == nullptr) return returned(cudaErrorStreamCaptureUnsupported);
  if (stream->capture != nullptr) return returned(cudaErrorInvalidValue);
  stream->capture = std::make_shared<emulated_cuda::Capture>();
  stream->capture->origin = stream;
  if (mode != cudaStreamCaptureModeRelaxed) stream->capture->thread = std::this_thread::get_id();
  stream->capture->streams.insert(stream);
  stream->last_nodes.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const std::lock_guard lock(device().mutex);
  *graph = nullptr;
  Stream* stream = device().stream(handle);
  if (stream == nullptr || stream->capture == nullptr || stream->capture->origin != stream)
    return returned(cudaErrorStreamCaptureUnmatched);
  const auto capture = stream->capture;
  const bool joined = emulated_cuda::joined(capture->graph, stream->last_nodes);
  for (Stream* member : capture->streams) {
    member->capture = nullptr;
    member->last_nodes.clear();
  }
  if (!joined) return returned(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::move(capture->graph)};
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const std::lock_guard lock(device().mutex);
  const Stream* stream = device().stream(handle);
  if (stream == nullptr) return returned(cudaErrorInvalidResourceHandle);
  *status = stream->capture == nullptr ? cudaStreamCaptureStatusNone : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{std::make_shared<const emulated_cuda::Graph>(graph->nodes)};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  const std::lock_guard lock(device().mutex);
  if (device().broken != cudaSuccess) return returned(device().broken);
  Stream* stream = device().stream(handle);
  if (stream == nullptr) return returned(cudaErrorInvalidResourceHandle);
  device().streams.append(
      stream, [nodes = executable->nodes] { return emulated_cuda::run_graph(*nodes, device().streams.next_random()); });
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
