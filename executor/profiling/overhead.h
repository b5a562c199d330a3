#pragma once
// Measures what the runtime adds around each launch: dependencies, operands, clocks. It measures no operator.

#include "executor/backend/backend.h"
#include "executor/profiling/bench.h"

namespace moesaic::executor {

/// (seconds of a step - seconds of its tasks) / tasks, for a step of additions of [rows, width]; mean over ranks. The
/// size matters because results are allocated and given back between tasks. What is passed must outlive the result.
Measure open_overhead(int64_t rows, int64_t width, Transport& transport, Backend& backend, Bench& bench);

}  // namespace moesaic::executor
