#pragma once
// The few things that the simulator wants of SimGrid: cores, one-link ports, activities, delays, a clock that starts at
// 0. It knows no ranks and no tasks; its source is the only file that includes SimGrid, and the place for differences
// between versions.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/schema/units.h"

namespace moesaic::simulator {

/// At most one per process, ever: SimGrid keeps its clock and its sealed zones from one engine to the next.
class ActivityEngine {
 public:
  using Core = int32_t;
  using Port = int32_t;
  using Tag = uint64_t;
  enum class Direction : uint8_t { out, in };

  ActivityEngine();
  ~ActivityEngine();
  ActivityEngine(const ActivityEngine&) = delete;
  ActivityEngine& operator=(const ActivityEngine&) = delete;

  /// True once a process has made an engine. Such a process must not fork workers.
  static bool exists();

  /// A core that works 1 / slowdown as fast while it is slowed.
  Core add_core(const std::string& name, double slowdown);
  /// One link out and one link in, each of this bandwidth and without latency.
  Port add_port(const std::string& name, BytesPerSecond bandwidth);

  /// Ends the building: no cores or ports after it, no activities before it.
  void seal();

  /// `seconds` of work on a core; several at once share it equally.
  void compute(Core core, Seconds seconds, Tag tag);
  /// From now on, for work under way too.
  void set_slowed(Core core, bool slowed);
  /// A flow through one direction of a port; several at once share it equally. Fractions of a byte count.
  void transfer(Port port, Direction direction, double bytes, Tag tag);
  /// Reports `tag` after `seconds` without using anything.
  void delay(Seconds seconds, Tag tag);

  /// Runs until nothing is under way. `on_completion` gets each tag as its activity ends and may start others.
  void run(const std::function<void(Tag)>& on_completion);

  Seconds now() const;
  int64_t activities() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moesaic::simulator
