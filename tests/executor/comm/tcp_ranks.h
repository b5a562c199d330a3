#pragma once
// Runs one function on every rank of a job that is joined by TCP over loopback, each in a thread of its own. The kernel
// chooses the port. A rank that throws ends the others; the first exception is thrown again in the caller.

#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/schema/error.h"
#include "executor/comm/tcp_transport.h"

namespace moesaic::executor {

/// A job on this machine, whose rank 0 has to be given the listener.
struct LoopbackJob {
  explicit LoopbackJob(int ranks) : size(ranks), listener(tcp_listen("127.0.0.1", 0)), port(port_of(listener)) {}

  JobEnvironment environment(int rank) const { return {rank, size, {"127.0.0.1", port}, "test"}; }

  int size;
  TcpSocket listener;
  int port;
};

inline void run_tcp_ranks(int size, const std::function<void(Transport&)>& body, const TcpOptions& options = {}) {
  LoopbackJob job(size);
  std::exception_ptr first;
  std::mutex mutex;
  const auto run_rank = [&](int rank) {
    try {
      TcpTransport transport(job.environment(rank), options, rank == 0 ? std::move(job.listener) : TcpSocket());
      body(transport);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
    }
  };
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) threads.emplace_back(run_rank, rank);
  threads.clear();
  if (first) std::rethrow_exception(first);
}

inline void finish(Transport& transport, Request& request) {
  while (!transport.test(request)) std::this_thread::yield();
}

/// What a DeviceError said.
inline std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace moesaic::executor
