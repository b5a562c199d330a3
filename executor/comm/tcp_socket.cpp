#include "executor/comm/tcp_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

constexpr int kRetryMs = 50;  // between two attempts to reach a rank that does not listen yet

using Resolved = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Resolved resolve(const std::string& host, int port, int flags, std::string& problem) {
  addrinfo wanted = {};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (code != 0) problem = gai_strerror(code);
  return {code == 0 ? found : nullptr, &freeaddrinfo};
}

TcpSocket make_socket(int family) { return TcpSocket(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

/// Small messages leave at once, and a host that is gone is noticed after 10 + 3 * 5 s of silence.
void tune(const TcpSocket& socket) {
  const auto set = [&](int level, int name, int value) {
    setsockopt(socket.descriptor(), level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/// On one machine the kernel may choose the very port to connect from that is to be reached, if nobody listens there.
bool meets_itself(const TcpSocket& socket) {
  sockaddr_storage own = {}, other = {};
  socklen_t own_length = sizeof own, other_length = sizeof other;
  return getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&own), &own_length) == 0 &&
         getpeername(socket.descriptor(), reinterpret_cast<sockaddr*>(&other), &other_length) == 0 &&
         std::memcmp(&own, &other, sizeof own) == 0;
}

std::optional<TcpSocket> connect_once(const addrinfo& target, Deadline deadline, std::string& problem) {
  TcpSocket socket = make_socket(target.ai_family);
  if (!socket.is_open()) return problem = std::strerror(errno), std::nullopt;
  int error = connect(socket.descriptor(), target.ai_addr, target.ai_addrlen) == 0 ? 0 : errno;
  while (error == EINPROGRESS || error == EINTR) {
    pollfd waiting{socket.descriptor(), POLLOUT, 0};
    const int wait_ms = milliseconds_until(deadline);
    if (poll(&waiting, 1, wait_ms) <= 0) {
      if (wait_ms == 0) error = ETIMEDOUT;
      continue;
    }
    socklen_t length = sizeof error;
    getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &length);
  }
  if (error != 0) return problem = std::strerror(error), std::nullopt;
  if (meets_itself(socket)) return problem = "nobody listens there", std::nullopt;
  tune(socket);
  return socket;
}

std::optional<TcpSocket> listen_at(const addrinfo& here, std::string& problem) {
  TcpSocket socket = make_socket(here.ai_family);
  const int yes = 1, no = 0;
  if (socket.is_open()) {
    setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (here.ai_family == AF_INET6) setsockopt(socket.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  }
  if (socket.is_open() && bind(socket.descriptor(), here.ai_addr, here.ai_addrlen) == 0 &&
      listen(socket.descriptor(), SOMAXCONN) == 0)
    return socket;
  problem = std::strerror(errno);
  return std::nullopt;
}

template <typename Get>
std::string numeric_host(const TcpSocket& socket, Get get, int* port = nullptr) {
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  char host[NI_MAXHOST] = {}, service[NI_MAXSERV] = {};
  if (get(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
      getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof host, service, sizeof service,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    throw DeviceError(std::string("cannot read the address of a connection: ") + std::strerror(errno));
  if (port != nullptr) *port = std::stoi(service);
  return host;
}

}  // namespace

std::string text_of(const TcpAddress& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

TcpSocket& TcpSocket::operator=(TcpSocket&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = other.release();
  }
  return *this;
}

void TcpSocket::close() {
  if (descriptor_ >= 0) ::close(release());
}

int TcpSocket::release() { return std::exchange(descriptor_, -1); }

Deadline deadline_after(double seconds) {
  return std::chrono::steady_clock::now() +
         std::chrono::ceil<Deadline::duration>(std::chrono::duration<double>(seconds));
}

int milliseconds_until(Deadline deadline, int most) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, most));
}

TcpSocket tcp_listen(const std::string& host, int port) {
  const bool only_here = host == "localhost" || is_loopback(host);
  std::string problem;
  for (const int family : {AF_INET6, AF_INET}) {  // of every address: one socket for both, where there is IPv6
    const Resolved here = resolve(only_here ? host : "", port, AI_PASSIVE, problem);
    for (const addrinfo* at = here.get(); at != nullptr; at = at->ai_next) {
      if (!only_here && at->ai_family != family) continue;
      if (auto socket = listen_at(*at, problem)) return std::move(*socket);
    }
  }
  throw DeviceError("cannot listen on port " + std::to_string(port) + ": " + problem);
}

int port_of(const TcpSocket& socket) {
  int port = 0;
  numeric_host(socket, getsockname, &port);
  return port;
}

std::string peer_host_of(const TcpSocket& socket) {
  std::string host = numeric_host(socket, getpeername);
  const std::string mapped = "::ffff:";  // an IPv4 address at a socket for both
  return host.starts_with(mapped) ? host.substr(mapped.size()) : host;
}

bool is_loopback(const std::string& numeric_host) { return numeric_host.starts_with("127.") || numeric_host == "::1"; }

std::optional<TcpSocket> tcp_connect(const TcpAddress& address, Deadline deadline, std::string& problem) {
  for (;;) {
    const Resolved targets = resolve(address.host, address.port, 0, problem);
    for (const addrinfo* target = targets.get(); target != nullptr; target = target->ai_next)
      if (auto socket = connect_once(*target, deadline, problem)) return socket;
    if (milliseconds_until(deadline) == 0) return std::nullopt;
    poll(nullptr, 0, milliseconds_until(deadline, kRetryMs));
  }
}

std::optional<TcpSocket> tcp_accept(const TcpSocket& listener) {
  TcpSocket socket(accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.is_open()) return std::nullopt;
  tune(socket);
  return socket;
}

int64_t receive_some(const TcpSocket& socket, void* data, int64_t bytes) {
  for (;;) {
    const ssize_t count = recv(socket.descriptor(), data, static_cast<size_t>(bytes), 0);
    if (count > 0) return count;
    if (count < 0 && errno == EINTR) continue;
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
  }
}

int64_t send_some(const TcpSocket& socket, const void* first, int64_t first_bytes, const void* second,
                  int64_t second_bytes) {
  iovec parts[2] = {{const_cast<void*>(first), static_cast<size_t>(first_bytes)},
                    {const_cast<void*>(second), static_cast<size_t>(second_bytes)}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  for (;;) {
    const ssize_t count = sendmsg(socket.descriptor(), &message, MSG_NOSIGNAL);
    if (count >= 0) return count;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
  }
}

bool send_all(const TcpSocket& socket, const void* data, int64_t bytes, Deadline deadline) {
  for (const char* next = static_cast<const char*>(data); bytes > 0;) {
    const int64_t sent = send_some(socket, next, bytes);
    if (sent < 0) return false;
    next += sent;
    bytes -= sent;
    if (sent > 0) continue;
    pollfd waiting{socket.descriptor(), POLLOUT, 0};
    const int wait_ms = milliseconds_until(deadline);
    if (wait_ms == 0) return false;
    poll(&waiting, 1, wait_ms);
  }
  return true;
}

}  // namespace moesaic::executor
