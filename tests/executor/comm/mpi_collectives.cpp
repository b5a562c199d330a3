// The formula checks of every collective between MPI processes: one line per check, exit code 1 when one failed
// anywhere. Rank 0 prints what failed on any rank. Small chunks and pretended nodes are checked as well as the
// defaults.

#include <cstdio>
#include <exception>

#include "executor/comm/mpi_transport.h"
#include "tests/executor/comm/collective_checks.h"

namespace moesaic::executor {
namespace {

std::vector<int> all_ranks(const Transport& transport) {
  std::vector<int> ranks(transport.size());
  for (int rank = 0; rank < transport.size(); ++rank) ranks[rank] = rank;
  return ranks;
}

/// The failures of all ranks per check, added up by the collectives under test; a rank's own error goes to stderr.
int report(Transport& transport, const std::string& title, const std::vector<CheckResult>& results) {
  Communicator group(transport, all_ranks(transport), 7);
  std::vector<double> failures(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    failures[i] = results[i].error.empty() ? 0.0 : 1.0;
    if (failures[i] == 0.0) continue;
    std::fprintf(stderr, "rank %d: %s: %s\n", transport.rank(), results[i].name.c_str(), results[i].error.c_str());
  }
  group.all_reduce<double>(0, failures.data(), static_cast<int64_t>(failures.size()))->wait();
  int failed = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const bool passed = failures[i] == 0.0 && results[i].error.empty();
    failed += passed ? 0 : 1;
    if (transport.rank() != 0) continue;
    std::printf("%s %s / %s\n", passed ? "ok    " : "FAILED", title.c_str(), results[i].name.c_str());
  }
  return failed;
}

/// Both sides disagree on the size: the receiver must say so. Two requests of one rank suffice.
std::vector<CheckResult> check_sizes(Transport& transport) {
  int64_t sent = 5, received = 0;
  Request receive = transport.receive(transport.rank(), 1, &received, 8);
  Request send = transport.send(transport.rank(), 1, &sent, 4);
  try {
    while (!transport.test(receive)) continue;
  } catch (const std::exception&) {
    while (!transport.test(send)) continue;
    return {{"sizes that disagree are refused", ""}};
  }
  return {{"sizes that disagree are refused", "4 bytes were taken for 8"}};
}

/// Every rank sends 3 messages of 10 bytes to the next: all inter-node where each rank is a node of its own.
std::vector<CheckResult> check_traffic(const MpiSession& session) {
  MpiTransport transport(session, 1);
  Communicator group(transport, all_ranks(transport), 0);
  if (group.size() == 1) return {{"traffic", ""}};
  const int next = (group.rank() + 1) % group.size();
  const int previous = (group.rank() + group.size() - 1) % group.size();
  char sent[10] = {}, received[10] = {};
  for (int i = 0; i < 3; ++i) {
    auto send = group.send(i, next, sent, 10);
    group.receive(i, previous, received, 10)->wait();
    send->wait();
  }
  const bool correct = transport.traffic() == Traffic{{0, 0}, {3, 30}};
  return {{"traffic", correct ? "" : "is not 3 messages and 30 bytes between nodes"}};
}

int run() {
  const MpiSession session;
  int failed = 0;
  {
    MpiTransport transport(session);
    failed += report(transport, "one node", run_collective_checks(transport));
    failed += report(transport, "one node", check_sizes(transport));
    failed += report(transport, "a node per rank", check_traffic(session));
  }
  MpiTransport transport(session, 2, 1000);
  failed += report(transport, "nodes of two ranks, chunks of 1000 bytes", run_collective_checks(transport));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace moesaic::executor

int main() {
  try {
    return moesaic::executor::run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
