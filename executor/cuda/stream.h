#pragma once
// The CUDA stream as an opaque handle, so that headers of this room need no CUDA header. It owns nothing.

struct CUstream_st;
struct CUevent_st;

namespace moesaic::executor::cuda {

using Stream = CUstream_st*;            // cudaStream_t
using DeviceEventHandle = CUevent_st*;  // cudaEvent_t

}  // namespace moesaic::executor::cuda
