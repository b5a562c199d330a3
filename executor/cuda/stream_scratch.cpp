#include "executor/cuda/stream_scratch.h"

#include <cuda_runtime_api.h>

#include "core/schema/error.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/size_class_cache.h"

namespace moesaic::executor::cuda {

namespace {

bool is_captured(Stream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  CUDA_CHECK(cudaStreamIsCapturing(stream, &status));
  return status != cudaStreamCaptureStatusNone;
}

}  // namespace

StreamScratch::~StreamScratch() {
  for (const auto& [stream, blocks] : blocks_)
    for (const Block& block : blocks) (void)cudaFree(block.data);
  for (void* data : outgrown_) (void)cudaFree(data);
}

void* StreamScratch::get(Stream stream, Scratch purpose, Bytes bytes) {
  Block& block = blocks_[stream][static_cast<size_t>(purpose)];
  if (block.bytes >= bytes) return block.data;
  if (is_captured(stream))
    throw DeviceError("cuda: " + format_bytes(static_cast<double>(bytes)) +
                      " of scratch, more than the step before the captured one needed; run without a CUDA graph");
  if (block.held)
    outgrown_.push_back(block.data);
  else
    CUDA_CHECK(cudaFree(block.data));  // waits for the device, so no kernel loses its operand
  block = {};
  const Bytes needed = size_class(bytes);
  CUDA_CHECK(cudaMalloc(&block.data, static_cast<size_t>(needed)));
  block.bytes = needed;
  return block.data;
}

void StreamScratch::hold() {
  for (auto& [stream, blocks] : blocks_)
    for (Block& block : blocks) block.held = block.data != nullptr;
}

}  // namespace moesaic::executor::cuda
