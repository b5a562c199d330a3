#pragma once
// The few things that the interpreter wants of simulated time: cores, one-link ports, activities, delays, a clock that
// starts at 0. It knows no ranks and no tasks. SimGrid keeps one (simgrid_engine.h), our own fluid model another
// (fluid_engine.h).

#include <cstdint>
#include <functional>
#include <string>

#include "core/schema/units.h"

namespace moesaic::simulator {

class ActivityEngine {
 public:
  using Core = int32_t;
  using Port = int32_t;
  using Tag = uint64_t;
  enum class Direction : uint8_t { out, in };

  virtual ~ActivityEngine() = default;

  /// A core that works 1 / slowdown as fast while it is slowed.
  virtual Core add_core(const std::string& name, double slowdown) = 0;
  /// One link out and one link in, each of this bandwidth and without latency.
  virtual Port add_port(const std::string& name, BytesPerSecond bandwidth) = 0;

  /// Ends the building: no cores or ports after it, no activities before it.
  virtual void seal() = 0;

  /// `seconds` of work on a core; several at once share it equally.
  virtual void compute(Core core, Seconds seconds, Tag tag) = 0;
  /// From now on, for work under way too.
  virtual void set_slowed(Core core, bool slowed) = 0;
  /// `copies` flows of as many bytes each through one direction of a port; all flows in it share it equally. Reports
  /// `tag` once, when they end, which is at one time. Fractions of a byte count.
  virtual void transfer(Port port, Direction direction, double bytes, int copies, Tag tag) = 0;
  /// Reports `tag` after `seconds` without using anything.
  virtual void delay(Seconds seconds, Tag tag) = 0;

  /// Runs until nothing is under way. `on_completion` gets each tag as its activity ends and may start others.
  virtual void run(const std::function<void(Tag)>& on_completion) = 0;

  virtual Seconds now() const = 0;
};

}  // namespace moesaic::simulator
