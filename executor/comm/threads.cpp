#include "executor/comm/threads.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace moesaic::executor {

void run_on_threads(int ranks, int ranks_per_node,
                    const std::function<void(int rank, Transport& transport)>& rank_main) {
  LocalOptions links;
  links.ranks_per_node = ranks_per_node;
  run_on_threads(ranks, links, rank_main);
}

void run_on_threads(int ranks, const LocalOptions& links,
                    const std::function<void(int rank, Transport& transport)>& rank_main) {
  LocalWorld world(ranks, links);
  run_on_threads(world, rank_main);
}

void run_on_threads(LocalWorld& world, const std::function<void(int rank, Transport& transport)>& rank_main) {
  std::exception_ptr first_error;
  std::mutex mutex;
  const auto run_rank = [&](int rank) {
    try {
      rank_main(rank, world.transport(rank));
    } catch (const std::exception& error) {
      {
        const std::lock_guard lock(mutex);
        if (!first_error) first_error = std::current_exception();
      }
      world.abort("rank " + std::to_string(rank) + ": " + error.what());
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world.size(); ++rank) threads.emplace_back(run_rank, rank);
  for (std::thread& thread : threads) thread.join();
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace moesaic::executor
