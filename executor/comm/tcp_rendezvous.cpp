#include "executor/comm/tcp_rendezvous.h"

#include <poll.h>

#include <cstdio>
#include <functional>
#include <list>

#include "core/schema/error.h"
#include "executor/comm/tcp_handshake.h"

namespace moesaic::executor {
namespace {

using State = TcpWordReader::State;

/// Somebody who has connected and not introduced himself in full.
struct Visitor {
  TcpSocket socket;
  TcpWordReader reader;
};

/// Why a visitor may not join; "": he may.
using Verdict = std::function<std::string(const TcpHello& hello)>;
using Welcome = std::function<void(const TcpHello& hello, TcpSocket socket)>;

std::string refusal_of(State state, Visitor& visitor, const JobEnvironment& job, const Verdict& verdict,
                       TcpHello& hello) {
  if (state == State::other_version) return "it speaks another version; start the same program everywhere";
  hello = hello_of(visitor.reader.word());
  if (hello.job != job.id) return "it belongs to another job (MOESAIC_JOB)";
  if (hello.size != job.size)
    return "it counts " + std::to_string(hello.size) + " ranks, rank 0 " + std::to_string(job.size);
  if (hello.rank < 0 || hello.rank >= job.size) return "there is no rank " + std::to_string(hello.rank);
  return verdict(hello);
}

/// Hears a visitor; false when he is done with: welcomed, refused or gone.
bool hear(Visitor& visitor, const JobEnvironment& job, const Verdict& verdict, const Welcome& welcome) {
  const State state = visitor.reader.read(visitor.socket);
  if (state == State::incomplete) return true;
  if (state == State::closed || state == State::foreign) return false;
  try {
    TcpHello hello;
    const std::string refusal = refusal_of(state, visitor, job, verdict, hello);
    if (refusal.empty()) {
      welcome(hello, std::move(visitor.socket));
    } else {
      send_word(visitor.socket, {TcpWord::kRefusal, refusal}, deadline_after(1));
    }
  } catch (const DeviceError&) {  // it stammers, or has gone already
  }
  return false;
}

/// Welcomes `expected` ranks; false when the deadline passes before. Visitors are heard side by side, so that one who
/// says nothing keeps nobody waiting.
bool receive_ranks(const TcpSocket& listener, int expected, const JobEnvironment& job, Deadline deadline,
                   const Verdict& verdict, const Welcome& welcome) {
  std::list<Visitor> visitors;
  const Welcome count_down = [&](const TcpHello& hello, TcpSocket socket) {
    welcome(hello, std::move(socket));
    --expected;
  };
  while (expected > 0) {
    while (auto socket = tcp_accept(listener)) visitors.push_back({std::move(*socket), {}});
    std::erase_if(visitors, [&](Visitor& visitor) { return !hear(visitor, job, verdict, count_down); });
    const int wait_ms = milliseconds_until(deadline);
    if (expected > 0 && wait_ms == 0) return false;
    std::vector<pollfd> waiting{{listener.descriptor(), POLLIN, 0}};
    for (const Visitor& visitor : visitors) waiting.push_back({visitor.socket.descriptor(), POLLIN, 0});
    if (expected > 0) poll(waiting.data(), waiting.size(), wait_ms);
  }
  return true;
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", seconds);
  return text;
}

/// The ranks that `own` rank has no connection to; everybody has one to rank 0.
std::string missing_text(const TcpMeeting& meeting, int own, double time_limit_s) {
  constexpr int kNamed = 16;
  std::string names;
  int missing = 0;
  for (int rank = 1; rank < static_cast<int>(meeting.sockets.size()); ++rank) {
    if (rank == own || meeting.sockets[rank].is_open()) continue;
    if (++missing <= kNamed) names += (names.empty() ? "" : ", ") + std::to_string(rank);
  }
  if (missing > kNamed) names += " and " + std::to_string(missing - kNamed) + " more";
  return (missing == 1 ? "rank " : "ranks ") + names + (missing == 1 ? " has" : " have") + " not reported within " +
         seconds_text(time_limit_s);
}

/// Rank 0: everybody's report, then the table to everybody. Each report's connection stays as that of the pair.
void collect(const JobEnvironment& job, const std::string& host_name, double time_limit_s, TcpSocket listener,
             TcpMeeting& meeting) {
  const Deadline deadline = deadline_after(time_limit_s);
  if (!listener.is_open()) listener = tcp_listen(job.address.host, job.address.port);
  std::vector<TcpPlace> table(job.size);
  table[0] = {job.address, host_name};
  std::string refused;
  const Verdict verdict = [&](const TcpHello& hello) -> std::string {
    if (hello.rank > 0 && !meeting.sockets[hello.rank].is_open()) return "";
    refused = "rank " + std::to_string(hello.rank) + " has reported already, from " + table[hello.rank].host_name;
    return refused;
  };
  const Welcome welcome = [&](const TcpHello& hello, TcpSocket socket) {
    table[hello.rank] = {{peer_host_of(socket), hello.port}, hello.host_name};
    meeting.sockets[hello.rank] = std::move(socket);
  };
  const bool complete = receive_ranks(listener, job.size - 1, job, deadline, verdict, welcome);
  TcpWord answer = to_word(table);
  if (!complete) answer = {TcpWord::kRefusal, missing_text(meeting, 0, time_limit_s)};
  if (!complete && !refused.empty()) answer.text += "; " + refused;
  for (int rank = 1; rank < job.size; ++rank) {
    const TcpSocket& socket = meeting.sockets[rank];
    if (socket.is_open() && !send_word(socket, answer, deadline_after(time_limit_s)) && complete)
      throw DeviceError("rank " + std::to_string(rank) + " on " + table[rank].host_name + " has gone before the start");
  }
  if (!complete) throw DeviceError(answer.text);
  for (int rank = 0; rank < job.size; ++rank) meeting.host_names[rank] = table[rank].host_name;
}

/// Everybody else: reports to rank 0 and returns the table.
std::vector<TcpPlace> report(const JobEnvironment& job, const TcpHello& hello, Deadline deadline, double time_limit_s,
                             TcpSocket& to_zero) {
  const std::string zero = "rank 0 at " + text_of(job.address);
  std::string problem;
  auto socket = tcp_connect(job.address, deadline, problem);
  const std::string limit = seconds_text(time_limit_s);
  if (!socket) throw DeviceError("cannot reach " + zero + " within " + limit + ": " + problem);
  to_zero = std::move(*socket);
  TcpWordReader reader;
  State state = State::closed;
  // Rank 0 may have begun to wait later than this rank, and speaks at its own limit.
  if (send_word(to_zero, to_word(hello), deadline))
    state = wait_for_word(to_zero, reader, deadline_after(2 * time_limit_s));
  if (state == State::closed) throw DeviceError(zero + " has gone before the start");
  if (state == State::incomplete)
    throw DeviceError(zero + " has not answered within " + seconds_text(2 * time_limit_s));
  if (state != State::complete)
    throw DeviceError("what listens at " + text_of(job.address) + " is not rank 0 of this program and version");
  if (reader.word().kind == TcpWord::kRefusal)
    throw DeviceError(zero + " has turned rank " + std::to_string(hello.rank) + " away: " + reader.word().text);
  std::vector<TcpPlace> table = table_of(reader.word());
  if (static_cast<int>(table.size()) != job.size) throw DeviceError(zero + " has sent a table of another size");
  // Ranks on rank 0's host may know it by a loopback address; from elsewhere they are where rank 0 is.
  for (TcpPlace& place : table)
    if (is_loopback(place.address.host)) place.address.host = peer_host_of(to_zero);
  return table;
}

/// Between the ranks above 0: the higher one connects. A connection completes without its acceptor, so that nobody
/// waits in a circle.
void join(const JobEnvironment& job, const TcpHello& hello, const std::vector<TcpPlace>& table,
          const TcpSocket& listener, double time_limit_s, TcpMeeting& meeting) {
  const Deadline deadline = deadline_after(time_limit_s);
  for (int rank = 1; rank < job.rank; ++rank) {
    std::string problem;
    auto socket = tcp_connect(table[rank].address, deadline, problem);
    if (!socket || !send_word(*socket, to_word(hello), deadline))
      throw DeviceError("rank " + std::to_string(job.rank) + " cannot reach rank " + std::to_string(rank) + " on " +
                        table[rank].host_name + " at " + text_of(table[rank].address) + ": " + problem);
    meeting.sockets[rank] = std::move(*socket);
  }
  const Verdict verdict = [&](const TcpHello& other) -> std::string {
    const bool wanted = other.rank > job.rank && !meeting.sockets[other.rank].is_open();
    return wanted ? "" : "it is connected already";
  };
  const Welcome welcome = [&](const TcpHello& other, TcpSocket socket) {
    meeting.sockets[other.rank] = std::move(socket);
  };
  if (receive_ranks(listener, job.size - 1 - job.rank, job, deadline, verdict, welcome)) return;
  throw DeviceError("rank " + std::to_string(job.rank) +
                    " waits in vain: " + missing_text(meeting, job.rank, time_limit_s));
}

}  // namespace

TcpMeeting meet(const JobEnvironment& job, const std::string& host_name, double time_limit_s, TcpSocket listener) {
  TcpMeeting meeting{std::vector<TcpSocket>(job.size), std::vector<std::string>(job.size)};
  if (job.rank == 0) {
    if (job.size > 1) {
      collect(job, host_name, time_limit_s, std::move(listener), meeting);
    } else {
      meeting.host_names[0] = host_name;
    }
    return meeting;
  }
  listener = tcp_listen(job.address.host, 0);
  const TcpHello hello{job.id, job.rank, job.size, port_of(listener), host_name};
  const auto table = report(job, hello, deadline_after(time_limit_s), time_limit_s, meeting.sockets[0]);
  for (int rank = 0; rank < job.size; ++rank) meeting.host_names[rank] = table[rank].host_name;
  join(job, hello, table, listener, time_limit_s, meeting);
  return meeting;
}

}  // namespace moesaic::executor
