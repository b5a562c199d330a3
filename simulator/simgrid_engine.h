#pragma once
// SimGrid as a keeper of time. Its source is the only one of the library that includes SimGrid.

#include <memory>

#include "simulator/activity_engine.h"

namespace moesaic::simulator {

/// At most one per process, ever: SimGrid keeps its clock and its sealed zones from one engine to the next.
class SimgridEngine : public ActivityEngine {
 public:
  SimgridEngine();
  ~SimgridEngine() override;
  SimgridEngine(const SimgridEngine&) = delete;
  SimgridEngine& operator=(const SimgridEngine&) = delete;

  /// True once a process has made an engine. Such a process must not fork workers.
  static bool exists();

  Core add_core(const std::string& name, double slowdown) override;
  Port add_port(const std::string& name, BytesPerSecond bandwidth) override;
  void seal() override;
  void compute(Core core, Seconds seconds, Tag tag) override;
  void set_slowed(Core core, bool slowed) override;
  void transfer(Port port, Direction direction, double bytes, int copies, Tag tag) override;
  void delay(Seconds seconds, Tag tag) override;
  void run(const std::function<void(Tag)>& on_completion) override;
  Seconds now() const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moesaic::simulator
