#pragma once
// Texts of any length over a stream socket: eight bytes of length, then the bytes. It knows nothing of what they say.

#include <optional>
#include <string>
#include <string_view>

namespace moesaic::simulator {

/// False where the other side is gone. Never raises SIGPIPE.
bool send_frame(int socket, std::string_view text);

/// Nothing where the other side is gone, also in the middle of a frame.
std::optional<std::string> receive_frame(int socket);

}  // namespace moesaic::simulator
