#pragma once
// The formats that `moesaic import` reads: one file each, but routings, which share one.

#include "cli/session.h"

namespace moesaic::cli {

void add_kernel_tables(CLI::App& import, Session& session);
void add_nccl_tests(CLI::App& import, Session& session);
void add_nccl_topology(CLI::App& import, Session& session);
void add_pytorch_trace(CLI::App& import, Session& session);
void add_sglang_recorder(CLI::App& import, Session& session);
void add_vllm_loads(CLI::App& import, Session& session);

}  // namespace moesaic::cli
