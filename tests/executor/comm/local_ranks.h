#pragma once
// Runs one function on every rank of a LocalWorld, each in a thread of its own. A rank that throws aborts the world, so
// that the others end too; the first exception is thrown again in the caller.

#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "executor/comm/local_transport.h"

namespace moesaic::executor {

inline void run_ranks(LocalWorld& world, const std::function<void(Transport&)>& body) {
  std::exception_ptr first;
  std::mutex mutex;
  const auto run_rank = [&](int rank) {
    try {
      body(world.transport(rank));
    } catch (...) {
      {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
      }
      world.abort("rank " + std::to_string(rank) + " failed");
    }
  };
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < world.size(); ++rank) threads.emplace_back(run_rank, rank);
  threads.clear();
  if (first) std::rethrow_exception(first);
}

}  // namespace moesaic::executor
