// The TCP transport itself: matching, order, early and large messages, withdrawal, death and abort.

#include "executor/comm/tcp_transport.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/schema/error.h"
#include "tests/executor/comm/tcp_ranks.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kLarge = 48 << 20;  // bytes, far above what the kernel buffers of a connection

std::vector<char> large(char fill) { return std::vector<char>(kLarge, fill); }

TEST(TcpTransport, MatchesOnSenderAndTagInPostingOrder) {
  run_tcp_ranks(3, [](Transport& transport) {
    if (transport.rank() != 2) {
      const int first = transport.rank(), other_tag = 12, last = 13;
      Request sends[3] = {transport.send(2, 7, &first, 4), {}, {}};
      if (transport.rank() == 0) sends[1] = transport.send(2, 8, &other_tag, 4);
      if (transport.rank() == 0) sends[2] = transport.send(2, 7, &last, 4);
      for (Request& send : sends) finish(transport, send);
      return;
    }
    int received[4] = {};
    Request receives[4] = {transport.receive(0, 8, &received[0], 4), transport.receive(0, 7, &received[1], 4),
                           transport.receive(0, 7, &received[2], 4), transport.receive(1, 7, &received[3], 4)};
    for (Request& receive : receives) finish(transport, receive);
    EXPECT_EQ(std::vector<int>(received, received + 4), (std::vector<int>{12, 0, 13, 1}));
  });
}

TEST(TcpTransport, DeliversToOneself) {
  run_tcp_ranks(1, [](Transport& transport) {
    const int first = 5, second = 6;
    int received[2] = {};
    Request posted = transport.receive(0, 1, &received[0], 4);
    EXPECT_FALSE(transport.test(posted));
    Request sends[2] = {transport.send(0, 1, &first, 4), transport.send(0, 1, &second, 4)};
    Request late = transport.receive(0, 1, &received[1], 4);
    for (Request* request : {&posted, &late, &sends[0], &sends[1]}) EXPECT_TRUE(transport.test(*request));
    EXPECT_EQ(received[0], 5);
    EXPECT_EQ(received[1], 6);
    EXPECT_EQ(transport.traffic(), (Traffic{{2, 8}, {0, 0}}));
  });
}

TEST(TcpTransport, RefusesSizesThatDisagree) {
  run_tcp_ranks(2, [](Transport& transport) {
    int64_t value = 5;
    if (transport.rank() == 0) {
      Request send = transport.send(1, 1, &value, 8);
      finish(transport, send);
    } else {
      Request receive = transport.receive(0, 1, &value, 4);
      EXPECT_THROW(finish(transport, receive), InvariantError);
    }
  });
}

TEST(TcpTransport, NumbersNodesByHostNameOrByRanksPerNode) {
  LoopbackJob job(4);
  std::vector<std::jthread> threads;
  const std::vector<std::string> hosts = {"b", "a", "b", "c"};
  for (int rank = 0; rank < 4; ++rank)
    threads.emplace_back([&, rank] {
      TcpOptions options;
      options.host_name = hosts[rank];
      TcpTransport transport(job.environment(rank), options, rank == 0 ? std::move(job.listener) : TcpSocket());
      EXPECT_EQ((std::vector<int>{transport.node(0), transport.node(1), transport.node(2), transport.node(3)}),
                (std::vector<int>{0, 1, 0, 2}));
    });
  threads.clear();
  TcpOptions options;
  options.ranks_per_node = 3;
  run_tcp_ranks(
      4, [](Transport& transport) { EXPECT_EQ(transport.node(2) + transport.node(3), 0 + 1); }, options);
}

// Both fill the kernel's buffers in both directions before either receives.
TEST(TcpTransport, LargeMessagesPassBothWaysAtOnce) {
  for (const bool receive_first : {true, false})
    run_tcp_ranks(2, [&](Transport& transport) {
      const int peer = 1 - transport.rank();
      const std::vector<char> sent = large(static_cast<char>('a' + transport.rank()));
      std::vector<char> received(kLarge);
      Request receive, send;
      if (receive_first) receive = transport.receive(peer, 1, received.data(), kLarge);
      send = transport.send(peer, 1, sent.data(), kLarge);
      if (!receive_first) receive = transport.receive(peer, 1, received.data(), kLarge);
      finish(transport, send);
      finish(transport, receive);
      EXPECT_EQ(received, large(static_cast<char>('a' + peer)));
    });
}

// The receiver asks for the small message that was sent after large ones, and needs its value before it asks for those:
// the large ones must be read past it, whatever memory that takes.
TEST(TcpTransport, WhatStandsBehindEarlyMessagesIsReached) {
  TcpOptions options;
  options.early_bytes = 1000;
  const auto body = [](Transport& transport) {
    if (transport.rank() == 0) {
      const std::vector<char> first = large('x'), second = large('y');
      const int last = 7;
      Request sends[3] = {transport.send(1, 1, first.data(), kLarge), transport.send(1, 2, second.data(), kLarge),
                          transport.send(1, 3, &last, 4)};
      for (Request& send : sends) finish(transport, send);
      return;
    }
    int last = 0;
    Request receive = transport.receive(0, 3, &last, 4);
    finish(transport, receive);
    EXPECT_EQ(last, 7);
    std::vector<char> data(kLarge);
    for (const auto& [tag, fill] : {std::pair(2, 'y'), std::pair(1, 'x')}) {
      receive = transport.receive(0, tag, data.data(), kLarge);
      finish(transport, receive);
      EXPECT_EQ(data, large(fill));
    }
  };
  run_tcp_ranks(2, body, options);
}

// The receiver polls, and asks for nothing of rank 0 until rank 2 has spoken, which does so when rank 0 has noticed
// that its large message does not leave.
TEST(TcpTransport, ASenderIsHeldBeyondTheMemoryForEarlyMessages) {
  TcpOptions options;
  options.early_bytes = 1000;
  const auto body = [](Transport& transport) {
    char byte = 'b';
    if (transport.rank() == 0) {
      const std::vector<char> data = large('x');
      Request send = transport.send(1, 1, data.data(), kLarge);
      for (int i = 0; i < 1000; ++i) {
        EXPECT_FALSE(transport.test(send));
        std::this_thread::yield();
      }
      Request tell = transport.send(2, 1, &byte, 1);
      finish(transport, tell);
      finish(transport, send);
    } else if (transport.rank() == 2) {
      Request hear = transport.receive(0, 1, &byte, 1);
      finish(transport, hear);
      Request tell = transport.send(1, 1, &byte, 1);
      finish(transport, tell);
    } else {
      Request hear = transport.receive(2, 1, &byte, 1);
      finish(transport, hear);
      std::vector<char> data(kLarge);
      Request receive = transport.receive(0, 1, data.data(), kLarge);
      finish(transport, receive);
      EXPECT_EQ(data, large('x'));
    }
  };
  run_tcp_ranks(3, body, options);
}

// A receive that is destroyed while its message comes, and a send while its message goes, leave the others whole.
TEST(TcpTransport, WithdrawsWhatIsDestroyedUnfinished) {
  run_tcp_ranks(2, [](Transport& transport) {
    int last = 9;
    if (transport.rank() == 0) {
      {
        const std::vector<char> data = large('x');
        Request lost = transport.send(1, 1, data.data(), kLarge);   // begins at once
        Request never = transport.send(1, 1, data.data(), kLarge);  // has not begun
      }
      Request send = transport.send(1, 2, &last, 4);
      finish(transport, send);
      return;
    }
    int received = 0;
    {
      std::vector<char> data(kLarge);
      Request lost = transport.receive(0, 1, data.data(), kLarge);
      while (data[0] != 'x') transport.test(lost);
    }
    { Request never = transport.receive(0, 3, &received, 4); }
    Request receive = transport.receive(0, 2, &received, 4);
    finish(transport, receive);
    EXPECT_EQ(received, 9);
  });
}

// A rank that has sent and ended is no loss to one that has yet to receive.
TEST(TcpTransport, ARankMayEndBeforeItsMessagesAreReceived) {
  run_tcp_ranks(3, [](Transport& transport) {
    int value = 3, received = 0;
    if (transport.rank() == 0) {
      Request send = transport.send(1, 1, &value, 4);
      finish(transport, send);
    } else if (transport.rank() == 1) {
      for (int i = 0; i < 1000; ++i) {
        Request nothing;
        transport.test(nothing);
        std::this_thread::yield();
      }
      Request receive = transport.receive(0, 1, &received, 4), hear = transport.receive(2, 1, &received, 4);
      finish(transport, receive);
      EXPECT_EQ(received, 3);
      finish(transport, hear);
    } else {
      Request send = transport.send(1, 1, &value, 4);
      finish(transport, send);
    }
  });
}

TEST(TcpTransport, ARankThatHasEndedIsNotWaitedFor) {
  const auto body = [](Transport& transport) {
    if (transport.rank() == 1) return;
    int value = 0;
    Request never = transport.receive(1, 1, &value, 4);
    finish(transport, never);
  };
  EXPECT_EQ(error_of([&] { run_tcp_ranks(2, body); }),
            "communication was aborted: rank 1 has ended, and rank 0 still waits for a message from it");
}

TEST(TcpTransport, AbortMakesEveryRankThrow) {
  std::vector<std::string> errors(4);
  run_tcp_ranks(4, [&](Transport& transport) {
    errors[transport.rank()] = error_of([&] {
      int value = 0;
      if (transport.rank() == 3) transport.abort("rank 3 lost its device");
      Request never = transport.receive((transport.rank() + 1) % 4, 1, &value, 4);
      finish(transport, never);
    });
    EXPECT_THROW(transport.send(0, 1, nullptr, 0), DeviceError);
  });
  EXPECT_EQ(errors, std::vector<std::string>(4, "communication was aborted: rank 3 lost its device"));
}

TEST(TcpTransport, ARankThatThrowsEndsTheOthers) {
  std::vector<std::string> errors(3);
  const auto body = [&](Transport& transport) {
    if (transport.rank() == 2) throw InputError("plan.json", "", "is empty");
    errors[transport.rank()] = error_of([&] {
      Request never = transport.receive(2, 1, nullptr, 0);
      finish(transport, never);
    });
  };
  EXPECT_THROW(run_tcp_ranks(3, body), InputError);
  EXPECT_EQ(errors[0], "communication was aborted: rank 2 has failed");
  EXPECT_EQ(errors[1], errors[0]);
}

/// Rank 1 as a process, which is killed once it has said something.
void be_killed(const JobEnvironment& job) {
  TcpTransport transport(job);
  Request send = transport.send(0, 1, "x", 1);
  finish(transport, send);
  raise(SIGKILL);
}

// Rank 2 waits for rank 0 only, and hears of rank 1 all the same: from its own connection or from rank 0.
TEST(TcpTransport, ADeadRankIsNamedByAll) {
  LoopbackJob job(3);
  const pid_t child = fork();  // before there are threads
  ASSERT_GE(child, 0);
  if (child == 0) {
    job.listener.close();
    be_killed(job.environment(1));
  }
  std::vector<std::string> errors(3);
  std::vector<std::jthread> threads;
  for (const int rank : {0, 2})
    threads.emplace_back([&, rank] {
      errors[rank] = error_of([&] {
        TcpTransport transport(job.environment(rank), {}, rank == 0 ? std::move(job.listener) : TcpSocket());
        char byte = 0;
        Request never = transport.receive(rank == 0 ? 2 : 0, 1, &byte, 1);
        finish(transport, never);
      });
    });
  threads.clear();
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  for (const int rank : {0, 2})
    EXPECT_EQ(errors[rank].rfind("communication was aborted: rank 1 has gone without a word", 0), 0u) << errors[rank];
}

TEST(TcpTransport, RefusesRanksThatDoNotExist) {
  run_tcp_ranks(2, [](Transport& transport) {
    EXPECT_THROW(transport.send(2, 1, nullptr, 0), InvariantError);
    EXPECT_THROW(transport.receive(-1, 1, nullptr, 0), InvariantError);
  });
  JobEnvironment third_of_two;
  third_of_two.rank = third_of_two.size = 2;
  EXPECT_THROW(TcpTransport{third_of_two}, InvariantError);
}

}  // namespace
}  // namespace moesaic::executor
