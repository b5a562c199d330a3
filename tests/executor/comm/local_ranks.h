#pragma once
// Runs one function on every rank of a LocalWorld, each in a thread of its own.

#include "executor/comm/threads.h"

namespace moesaic::executor {

inline void run_ranks(LocalWorld& world, const std::function<void(Transport&)>& body) {
  run_on_threads(world, [&body](int, Transport& transport) { body(transport); });
}

}  // namespace moesaic::executor
