// How ranks meet over TCP, who is turned away, and what is said when somebody is missing.

#include "executor/comm/tcp_rendezvous.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "executor/comm/tcp_handshake.h"
#include "tests/executor/comm/tcp_ranks.h"

namespace moesaic::executor {
namespace {

constexpr double kPatientS = 120;
constexpr double kShortS = 0.3;  // for ranks that will never come

TcpMeeting meet_at(LoopbackJob& job, int rank, double limit_s) {
  return meet(job.environment(rank), "host" + std::to_string(rank), limit_s,
              rank == 0 ? std::move(job.listener) : TcpSocket());
}

TEST(TcpRendezvous, JoinsEachPair) {
  LoopbackJob job(5);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 5; ++rank)
    threads.emplace_back([&, rank] {
      const TcpMeeting meeting = meet_at(job, rank, kPatientS);
      EXPECT_EQ(meeting.host_names, (std::vector<std::string>{"host0", "host1", "host2", "host3", "host4"}));
      for (int other = 0; other < 5; ++other) EXPECT_EQ(meeting.sockets[other].is_open(), other != rank);
    });
}

TEST(TcpRendezvous, ARankThatComesFirstWaitsForRankZero) {
  LoopbackJob job(2);
  const int port = job.port;
  job.listener.close();
  std::jthread early([&] { meet(job.environment(1), "host1", kPatientS); });
  std::jthread late([&] { meet(JobEnvironment{0, 2, {"127.0.0.1", port}, "test"}, "host0", kPatientS); });
}

TEST(TcpRendezvous, NamesTheMissingRanksToAll) {
  LoopbackJob job(4);
  std::string errors[2];
  std::jthread zero([&] { errors[0] = error_of([&] { meet_at(job, 0, kShortS); }); });
  std::jthread two([&] { errors[1] = error_of([&] { meet_at(job, 2, kPatientS); }); });
  zero.join();
  two.join();
  EXPECT_EQ(errors[0], "ranks 1, 3 have not reported within 0.3 s");
  EXPECT_EQ(errors[1], "rank 0 at 127.0.0.1:" + std::to_string(job.port) + " has turned rank 2 away: " + errors[0]);
}

TEST(TcpRendezvous, SaysThatNobodyListens) {
  LoopbackJob job(2);
  job.listener.close();
  EXPECT_EQ(error_of([&] { meet_at(job, 1, kShortS); }),
            "cannot reach rank 0 at 127.0.0.1:" + std::to_string(job.port) + " within 0.3 s: Connection refused");
}

/// What rank 0 of a job of two says to a visitor as rank 1; then the right one comes.
std::string answer_to(int size, const std::string& id) {
  LoopbackJob job(2);
  JobEnvironment visitor;
  visitor.rank = 1;
  visitor.size = size;
  visitor.address.host = "127.0.0.1";
  visitor.address.port = job.port;
  visitor.id = id;
  std::jthread zero([&] { meet_at(job, 0, kPatientS); });
  const std::string said = error_of([&] { meet(visitor, "stray", kPatientS); });
  meet_at(job, 1, kPatientS);
  const std::string prefix = "rank 0 at " + text_of(visitor.address) + " has turned rank 1 away: ";
  return said.starts_with(prefix) ? said.substr(prefix.size()) : said;
}

TEST(TcpRendezvous, TurnsAwayAnotherJob) {
  EXPECT_EQ(answer_to(2, "other"), "it belongs to another job (MOESAIC_JOB)");
}

TEST(TcpRendezvous, TurnsAwayAnotherSize) { EXPECT_EQ(answer_to(3, "test"), "it counts 3 ranks, rank 0 2"); }

TcpSocket connect_to(int port) {
  std::string problem;
  return *tcp_connect({"127.0.0.1", port}, deadline_after(kPatientS), problem);
}

TcpSocket say_hello(const LoopbackJob& job, int rank, const std::string& host_name) {
  TcpSocket socket = connect_to(job.port);
  EXPECT_TRUE(send_word(socket, to_word(TcpHello{"test", rank, job.size, 1, host_name}), deadline_after(kPatientS)));
  return socket;
}

TEST(TcpRendezvous, TurnsAwayASecondRankOfTheSameNumber) {
  LoopbackJob job(3);
  std::jthread zero([&] { meet_at(job, 0, kPatientS); });
  const TcpSocket first = say_hello(job, 1, "host1");
  EXPECT_EQ(error_of([&] { meet_at(job, 1, kPatientS); }),
            "rank 0 at 127.0.0.1:" + std::to_string(job.port) +
                " has turned rank 1 away: rank 1 has reported already, from host1");
  const TcpSocket last = say_hello(job, 2, "host2");
  zero.join();
}

/// Says these bytes and returns what comes back: a word, or that the other side hangs up.
TcpWordReader::State answer_to(const TcpSocket& socket, const std::string& bytes, TcpWordReader& reader) {
  EXPECT_TRUE(send_all(socket, bytes.data(), static_cast<int64_t>(bytes.size()), deadline_after(kPatientS)));
  return wait_for_word(socket, reader, deadline_after(kPatientS));
}

// One who says nothing keeps nobody waiting; one of another protocol is hung up on.
TEST(TcpRendezvous, HearsNoStrangers) {
  LoopbackJob job(2);
  const TcpSocket silent = connect_to(job.port), other = connect_to(job.port);
  std::jthread zero([&] { EXPECT_TRUE(meet_at(job, 0, kPatientS).sockets[1].is_open()); });
  TcpWordReader reader;
  EXPECT_EQ(answer_to(other, "GET / HTTP/1.1\r\nHost: node7\r\n\r\n", reader), TcpWordReader::State::closed);
  meet_at(job, 1, kPatientS);
}

/// The first bytes of every word: magic number, version, kind and length.
std::string prefix_of_a_word() {
  const LoopbackJob ear(1);
  const TcpSocket mouth = connect_to(ear.port);
  EXPECT_TRUE(send_word(mouth, {TcpWord::kHello, ""}, deadline_after(kPatientS)));
  std::optional<TcpSocket> heard;
  while (!(heard = tcp_accept(ear.listener))) std::this_thread::yield();
  std::string prefix(24, '\0');
  for (int64_t got = 0; got < 24;) got += receive_some(*heard, prefix.data() + got, 24 - got);
  return prefix;
}

TEST(TcpRendezvous, TurnsAwayAnotherVersion) {
  std::string prefix = prefix_of_a_word();
  ++prefix[8];  // the lowest byte of the version
  LoopbackJob job(2);
  std::jthread zero([&] { meet_at(job, 0, kPatientS); });
  TcpWordReader reader;
  EXPECT_EQ(answer_to(connect_to(job.port), prefix, reader), TcpWordReader::State::complete);
  EXPECT_EQ(reader.word().kind, TcpWord::kRefusal);
  EXPECT_EQ(reader.word().text, "it speaks another version; start the same program everywhere");
  meet_at(job, 1, kPatientS);
}

}  // namespace
}  // namespace moesaic::executor
