#include "executor/comm/tcp_transport.h"

#include <unistd.h>

#include <algorithm>
#include <exception>

#include "core/schema/error.h"
#include "executor/comm/tcp_farewell.h"
#include "executor/comm/tcp_rendezvous.h"

namespace moesaic::executor {
namespace {

constexpr double kLastWordsS = 1;  // for the others to hear of an abort

struct TcpState : Request::State {
  virtual bool finished() const = 0;
};

struct SendState final : TcpState {
  SendState(TcpOutbox& queue, std::shared_ptr<TcpOutgoing> sent) : outbox(queue), message(std::move(sent)) {}
  ~SendState() override { outbox.withdraw(message); }
  bool finished() const override { return message->finished(); }

  TcpOutbox& outbox;
  std::shared_ptr<TcpOutgoing> message;
};

struct ReceiveState final : TcpState {
  ReceiveState(TcpInbox& queue, const TcpReceive& wanted) : inbox(queue), receive(wanted) {}
  ~ReceiveState() override { inbox.withdraw(receive); }
  bool finished() const override { return receive.finished; }

  TcpInbox& inbox;
  TcpReceive receive;
};

std::string name_of(int rank) { return "rank " + std::to_string(rank); }

std::string own_host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

/// Numbered by first appearance.
std::vector<int> find_nodes(const std::vector<std::string>& host_names, int ranks_per_node) {
  std::vector<int> nodes;
  std::vector<std::string> known;
  for (int rank = 0; rank < static_cast<int>(host_names.size()); ++rank) {
    const auto host = std::find(known.begin(), known.end(), host_names[rank]);
    nodes.push_back(ranks_per_node > 0 ? rank / ranks_per_node : static_cast<int>(host - known.begin()));
    if (host == known.end()) known.push_back(host_names[rank]);
  }
  return nodes;
}

}  // namespace

TcpTransport::TcpTransport(const JobEnvironment& job, TcpOptions options, TcpSocket listener)
    : rank_(job.rank), waiting_(job.size), exceptions_(std::uncaught_exceptions()) {
  MOESAIC_CHECK(job.size > 0 && job.rank >= 0 && job.rank < job.size, "a job needs ranks from 0 to its size");
  if (options.host_name.empty()) options.host_name = own_host_name();
  TcpMeeting meeting = meet(job, options.host_name, options.time_limit_s, std::move(listener));
  nodes_ = find_nodes(meeting.host_names, options.ranks_per_node);
  for (TcpSocket& socket : meeting.sockets) peers_.emplace_back(std::move(socket), options.early_bytes);
}

TcpTransport::~TcpTransport() {
  if (std::uncaught_exceptions() > exceptions_) abort(name_of(rank_) + " has failed");
  if (!aborted_)
    for (TcpPeer& peer : peers_)
      if (peer.socket.is_open() && !peer.gone && !peer.unsayable) peer.outbox.push(TcpFrame::kGoodbye, "");
  leave(peers_, aborted_ ? std::optional(deadline_after(kLastWordsS)) : std::nullopt);
}

Request TcpTransport::send(int to, int64_t tag, const void* data, int64_t bytes) {
  check_alive();
  MOESAIC_CHECK(to >= 0 && to < size() && bytes >= 0, "a message needs an existing receiver and a size");
  count(to, bytes);
  TcpPeer& peer = peers_[to];
  if (to == rank_) {
    peer.inbox.deliver(tag, data, bytes);
    return {};
  }
  if (peer.gone) fail_after_goodbye(to, "sends to");
  auto message = std::make_shared<TcpOutgoing>();
  message->frame = {TcpFrame::kMessage, tag, bytes};
  message->data = static_cast<const std::byte*>(data);
  const bool first = peer.outbox.empty();
  peer.outbox.push(message);
  // At once: the caller may compute for long before it polls.
  if (first && !peer.unsayable) peer.unsayable = !peer.outbox.write(peer.socket);
  return Request(std::make_unique<SendState>(peer.outbox, std::move(message)));
}

Request TcpTransport::receive(int from, int64_t tag, void* data, int64_t bytes) {
  check_alive();
  MOESAIC_CHECK(from >= 0 && from < size() && bytes >= 0, "a message needs an existing sender and a size");
  TcpPeer& peer = peers_[from];
  auto state = std::make_unique<ReceiveState>(peer.inbox, TcpReceive{tag, static_cast<std::byte*>(data), bytes, false});
  peer.inbox.post(state->receive);
  if (peer.gone && !state->finished()) fail_after_goodbye(from, "waits for a message from");
  return Request(std::move(state));
}

bool TcpTransport::test(Request& request) {
  check_alive();
  progress();
  if (request.finished()) return true;
  if (!static_cast<TcpState*>(request.state())->finished()) return false;
  request.finish();
  return true;
}

void TcpTransport::abort(const std::string& reason) {
  if (aborted_) return;
  aborted_ = true;
  reason_ = reason;
  for (TcpPeer& peer : peers_) {
    peer.outbox.clear();
    if (!peer.socket.is_open() || peer.gone || peer.unsayable) continue;
    peer.outbox.push(TcpFrame::kAbort, reason);
    peer.outbox.write(peer.socket);
  }
}

void TcpTransport::check_alive() const {
  if (aborted_) throw DeviceError("communication was aborted: " + reason_);
}

void TcpTransport::progress() {
  for (int rank = 0; rank < size(); ++rank) {
    const TcpPeer& peer = peers_[rank];
    const bool reads = peer.inbox.wants_to_read(), writes = !peer.outbox.empty() && !peer.unsayable;
    const short wanted = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
    waiting_[rank] = {peer.gone ? -1 : peer.socket.descriptor(), wanted, 0};  // a negative one is passed over
  }
  if (size() == 1 || poll(waiting_.data(), waiting_.size(), 0) <= 0) return;
  for (int rank = 0; rank < size(); ++rank)
    if (waiting_[rank].revents != 0) serve(rank, waiting_[rank].revents);
  // Only now: another rank may have said why this one has gone.
  if (!lost_.empty()) fail(lost_);
}

void TcpTransport::serve(int rank, short ready) {
  TcpPeer& peer = peers_[rank];
  if ((ready & POLLOUT) != 0 && !peer.outbox.write(peer.socket)) peer.unsayable = true;
  TcpInbox::Event event = TcpInbox::Event::kNothing;
  if (peer.inbox.wants_to_read()) {
    if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0) event = peer.inbox.read(peer.socket);
  } else if ((ready & (POLLHUP | POLLERR)) != 0) {
    event = TcpInbox::Event::kClosed;
  }
  if (event == TcpInbox::Event::kAbort) fail(peer.inbox.reason());
  if (event == TcpInbox::Event::kGoodbye) {
    peer.gone = true;
    if (peer.inbox.waiting() > 0) fail_after_goodbye(rank, "waits for a message from");
    if (!peer.outbox.empty()) fail_after_goodbye(rank, "sends to");
  }
  if (event == TcpInbox::Event::kClosed && lost_.empty())
    lost_ = name_of(rank) + " has gone without a word: it died, or its connection to " + name_of(rank_) + " did";
}

/// Passes the reason on, so that no rank hears of a consequence only.
void TcpTransport::fail(const std::string& reason) {
  abort(reason);
  throw DeviceError("communication was aborted: " + reason);
}

void TcpTransport::fail_after_goodbye(int rank, const std::string& what) {
  fail(name_of(rank) + " has ended, and " + name_of(rank_) + " still " + what + " it");
}

}  // namespace moesaic::executor
