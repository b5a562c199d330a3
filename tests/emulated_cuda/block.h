#pragma once
// Runs a grid: its blocks one after the other, the threads of a block in turns. A thread is a function call until it
// waits for others; then it keeps a fiber. One grid at a time: the caller holds the device's lock.

#include <cstdint>
#include <functional>
#include <string>

#include "tests/emulated_cuda/include/vector_types.h"

namespace emulated_cuda {

extern uint3 threadIdx, blockIdx;  // of the running thread
extern dim3 blockDim, gridDim;

/// Calls `thread` once for every thread of the grid. Which threads and blocks go first depends on the seed. Returns
/// what went wrong, empty if nothing did: threads that wait for each other for ever, or a call of fail().
std::string run_grid(dim3 blocks, dim3 threads, uint64_t seed, const std::function<void()>& thread);

// For the running thread only.

/// Returns when every thread of the block that has not ended waits here.
void wait_for_block();
/// The same, and the number of threads that said yes.
int count_in_block(bool yes);
/// Returns when every living lane of `mask` has called it with the same operation: what each of the 32 lanes sent, all
/// bits set where it sent nothing. The array is valid until the thread exchanges again.
const uint64_t* exchange(const char* operation, unsigned mask, uint64_t sent);
int lane();
/// Ends the grid with this message.
void fail(const std::string& message);

}  // namespace emulated_cuda
