#include "executor/cuda/stream_scratch.h"

#include "executor/cuda/cuda_check.h"
#include "executor/cuda/size_class_cache.h"

namespace moesaic::executor::cuda {

StreamScratch::~StreamScratch() {
  for (const auto& [stream, blocks] : blocks_)
    for (const Block& block : blocks) (void)cudaFree(block.data);
}

void* StreamScratch::get(Stream stream, Scratch purpose, Bytes bytes) {
  Block& block = blocks_[stream][static_cast<size_t>(purpose)];
  if (block.bytes >= bytes) return block.data;
  CUDA_CHECK(cudaFree(block.data));  // waits for the device, so no kernel loses its operand
  block = {};
  const Bytes needed = size_class(bytes);
  CUDA_CHECK(cudaMalloc(&block.data, static_cast<size_t>(needed)));
  block.bytes = needed;
  return block.data;
}

}  // namespace moesaic::executor::cuda
