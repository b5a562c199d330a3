#include "cli/launcher_watch.h"

#include <filesystem>
#include <fstream>
#include <string>

namespace moesaic::cli {
namespace {

namespace fs = std::filesystem;

/// False for zombies: they have ended and wait for their parent only.
bool lives(pid_t process) {
  std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(stat), {}};
  const size_t name_end = text.rfind(") ");  // the name before may hold anything
  return name_end != std::string::npos && text[name_end + 2] != 'Z';
}

bool has_living_children(pid_t parent) {
  std::error_code ignored;
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(parent) + "/task", ignored)) {
    std::ifstream children(thread.path() / "children");
    for (pid_t child; children >> child;)
      if (lives(child)) return true;
  }
  return false;
}

}  // namespace

bool LauncherWatch::outlives_its_ranks() {
  constexpr auto kPatience = std::chrono::seconds(2);  // mpirun ends within milliseconds of its last rank
  if (has_living_children(launcher_)) {
    had_children_ = true;
    alone_since_.reset();
    return false;
  }
  if (!had_children_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (!alone_since_) alone_since_ = now;
  return now - *alone_since_ >= kPatience;
}

}  // namespace moesaic::cli
