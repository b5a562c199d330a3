// The names and sentences of errors.

#include "tests/emulated_cuda/include/cuda_runtime_api.h"

namespace {

struct Text {
  cudaError_t error;
  const char *name, *sentence;
};

#define EMULATED_CUDA_TEXT(error, sentence) \
  { error, #error, sentence }
constexpr Text kTexts[] = {
    EMULATED_CUDA_TEXT(cudaSuccess, "no error"),
    EMULATED_CUDA_TEXT(cudaErrorInvalidValue, "invalid argument"),
    EMULATED_CUDA_TEXT(cudaErrorMemoryAllocation, "out of memory"),
    EMULATED_CUDA_TEXT(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    EMULATED_CUDA_TEXT(cudaErrorInvalidDevice, "invalid device ordinal"),
    EMULATED_CUDA_TEXT(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    EMULATED_CUDA_TEXT(cudaErrorNotReady, "device not ready"),
    EMULATED_CUDA_TEXT(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    EMULATED_CUDA_TEXT(cudaErrorLaunchFailure, "unspecified launch failure"),
    EMULATED_CUDA_TEXT(cudaErrorNotSupported, "operation not supported"),
    EMULATED_CUDA_TEXT(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    EMULATED_CUDA_TEXT(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    EMULATED_CUDA_TEXT(cudaErrorStreamCaptureUnmatched, "capture was not initiated in this stream"),
    EMULATED_CUDA_TEXT(cudaErrorStreamCaptureUnjoined, "capture has unjoined work"),
    EMULATED_CUDA_TEXT(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream"),
};
#undef EMULATED_CUDA_TEXT

const Text* text_of(cudaError_t error) {
  for (const Text& text : kTexts)
    if (text.error == error) return &text;
  return nullptr;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  const Text* text = text_of(error);
  return text == nullptr ? "unrecognized error code" : text->name;
}

const char* cudaGetErrorString(cudaError_t error) {
  const Text* text = text_of(error);
  return text == nullptr ? "unrecognized error code" : text->sentence;
}
