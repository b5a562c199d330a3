#pragma once
// TCP sockets that never block, and the few calls on them. They know no ranks and no messages.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace moesaic::executor {

/// Where somebody listens: a host name or numeric address, and a port.
struct TcpAddress {
  std::string host;
  int port = 0;
  bool operator==(const TcpAddress&) const = default;
};

/// "node7:29500", "[::1]:29500"
std::string text_of(const TcpAddress& address);

/// Owns a descriptor, which is nonblocking and closed on exec.
class TcpSocket {
 public:
  TcpSocket() = default;
  explicit TcpSocket(int descriptor) : descriptor_(descriptor) {}
  TcpSocket(TcpSocket&& other) noexcept : descriptor_(other.release()) {}
  TcpSocket& operator=(TcpSocket&& other) noexcept;
  ~TcpSocket() { close(); }

  int descriptor() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }
  void close();

 private:
  int release();

  int descriptor_ = -1;
};

using Deadline = std::chrono::steady_clock::time_point;
Deadline deadline_after(double seconds);
/// For poll(): milliseconds until the deadline, at most `most`.
int milliseconds_until(Deadline deadline, int most = 1000);

/// Listens on every address of this machine, or only on the loopback ones where `host` is one by its own words.
/// `port` 0: the kernel chooses. Throws DeviceError, also when the port is taken.
TcpSocket tcp_listen(const std::string& host, int port);
/// The port that a socket is bound to.
int port_of(const TcpSocket& socket);
/// The numeric address of the other end.
std::string peer_host_of(const TcpSocket& socket);
bool is_loopback(const std::string& numeric_host);

/// Connects, trying again until the deadline; on failure an empty optional and the last `problem`.
std::optional<TcpSocket> tcp_connect(const TcpAddress& address, Deadline deadline, std::string& problem);
/// The next connection that waits at a listener; empty when there is none.
std::optional<TcpSocket> tcp_accept(const TcpSocket& listener);

/// As much as can be moved now: bytes, 0 when nothing can, -1 when the connection is over.
int64_t receive_some(const TcpSocket& socket, void* data, int64_t bytes);
int64_t send_some(const TcpSocket& socket, const void* first, int64_t first_bytes, const void* second = nullptr,
                  int64_t second_bytes = 0);
/// Waits until all is sent; false when the connection ends or the deadline passes.
bool send_all(const TcpSocket& socket, const void* data, int64_t bytes, Deadline deadline);

}  // namespace moesaic::executor
