#include <exception>
#include <mutex>
#include <thread>

#include "executor/comm/local_transport.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/runtime/trainer.h"

namespace moesaic::executor {

TrainResult train_on_threads(const Plan& plan, const Corpus& corpus, const TrainOptions& options) {
  LocalOptions links;
  links.ranks_per_node = plan.cluster.devices_per_node;
  LocalWorld world(plan.layout.ranks, links);
  TrainResult result;
  std::exception_ptr first_error;
  std::mutex mutex;
  const auto run_rank = [&](int rank) {
    try {
      cpu::CpuBackend backend;
      TrainResult own = train(plan, rank, backend, world.transport(rank), corpus, options);
      if (rank == 0) result = std::move(own);
    } catch (const std::exception& error) {
      {
        const std::lock_guard lock(mutex);
        if (!first_error) first_error = std::current_exception();
      }
      world.abort("rank " + std::to_string(rank) + ": " + error.what());
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < plan.layout.ranks; ++rank) threads.emplace_back(run_rank, rank);
  for (std::thread& thread : threads) thread.join();
  if (first_error) std::rethrow_exception(first_error);
  return result;
}

}  // namespace moesaic::executor
