#include "simulator/frame.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

namespace moesaic::simulator {
namespace {

/// No document comes near this; a longer length means that the stream is out of step.
constexpr uint64_t kMaxFrameBytes = uint64_t{1} << 36;

bool send_all(int socket, const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = ::send(socket, data, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(int socket, char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t received = ::recv(socket, data, bytes, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return false;
    data += received;
    bytes -= static_cast<size_t>(received);
  }
  return true;
}

}  // namespace

bool send_frame(int socket, std::string_view text) {
  const uint64_t length = text.size();
  return send_all(socket, reinterpret_cast<const char*>(&length), sizeof length) &&
         send_all(socket, text.data(), text.size());
}

std::optional<std::string> receive_frame(int socket) {
  uint64_t length = 0;
  if (!receive_all(socket, reinterpret_cast<char*>(&length), sizeof length) || length > kMaxFrameBytes)
    return std::nullopt;
  std::string text(length, '\0');
  if (!receive_all(socket, text.data(), text.size())) return std::nullopt;
  return text;
}

}  // namespace moesaic::simulator
