#pragma once
// The CUDA stream, event and graph as opaque handles, so that headers of this room need no CUDA header. It owns
// nothing.

struct CUstream_st;
struct CUevent_st;
struct CUgraphExec_st;

namespace moesaic::executor::cuda {

using Stream = CUstream_st*;            // cudaStream_t
using DeviceEventHandle = CUevent_st*;  // cudaEvent_t
using GraphHandle = CUgraphExec_st*;    // cudaGraphExec_t

}  // namespace moesaic::executor::cuda
