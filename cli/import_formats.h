#pragma once
// The formats that `moesaic import` reads, one file each.

#include "cli/session.h"

namespace moesaic::cli {

void add_kernel_tables(CLI::App& import, Session& session);
void add_nccl_tests(CLI::App& import, Session& session);
void add_nccl_topology(CLI::App& import, Session& session);

}  // namespace moesaic::cli
