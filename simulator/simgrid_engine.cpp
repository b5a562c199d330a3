#include "simulator/simgrid_engine.h"

#include <algorithm>
#include <simgrid/kernel/Timer.hpp>
#include <simgrid/s4u.hpp>
#include <vector>

#include "core/schema/error.h"
#include "simulator/simgrid_versions.h"

namespace moesaic::simulator {
namespace {

namespace sg = simgrid::s4u;

/// SimGrid counts payloads in whole units; 1024 per byte keeps the fraction that scaling to a measured curve leaves.
constexpr double kUnitsPerByte = 1024;

}  // namespace

struct SimgridEngine::State {
  explicit State(std::vector<char*> arguments)
      : argc(static_cast<int>(arguments.size()) - 1), engine(&argc, arguments.data()) {}

  int argc;
  sg::Engine engine;
  sg::NetZone* zone = nullptr;
  sg::Host* fabric = nullptr;
  std::vector<sg::Host*> cores, ports;
  // SimGrid keeps no reference of its own to a running activity: held by slot until it ends, and one completion longer,
  // because the callback still runs inside the activity that ends.
  struct Held {
    sg::ActivityPtr activity;
    Tag tag = 0;
    uint32_t copies = 0;  // 1 + index into copies_left; 0: an activity of its own
  };
  std::vector<Held> held;
  std::vector<uint32_t> free_slots;
  std::vector<int> copies_left;  // of flows that are reported as one
  std::vector<uint32_t> free_copies;
  sg::ActivityPtr last_ended;
  const std::function<void(Tag)>* on_completion = nullptr;

  uint32_t new_copies(int count) {
    if (free_copies.empty()) {
      copies_left.push_back(0);
      free_copies.push_back(static_cast<uint32_t>(copies_left.size()));
    }
    const uint32_t copies = free_copies.back();
    free_copies.pop_back();
    copies_left[copies - 1] = count;
    return copies;
  }

  void hold(sg::ActivityPtr activity, Tag tag, uint32_t copies = 0) {
    if (free_slots.empty()) {
      free_slots.push_back(static_cast<uint32_t>(held.size()));
      held.emplace_back();
    }
    const uint32_t slot = free_slots.back();
    free_slots.pop_back();
    activity->set_data(reinterpret_cast<void*>(static_cast<uintptr_t>(slot)));
    held[slot] = {std::move(activity), tag, copies};
  }

  void completed(const sg::Activity& activity) {
    const auto slot = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(activity.get_data<void>()));
    const Tag tag = held[slot].tag;
    const uint32_t copies = held[slot].copies;
    last_ended = std::move(held[slot].activity);
    free_slots.push_back(slot);
    if (copies > 0) {
      if (--copies_left[copies - 1] > 0) return;
      free_copies.push_back(copies);
    }
    (*on_completion)(tag);
  }
};

SimgridEngine::SimgridEngine() {
  MOESAIC_CHECK(!exists(), "a process can simulate once only: its second engine would start at the clock of the first");
  static char program[] = "moesaic", quiet[] = "--log=root.thresh:error";
  state_ = std::make_unique<State>(std::vector<char*>{program, quiet, nullptr});
  share_max_min();
  sg::Engine::set_config(kTimingPrecision);  // the default of 1 ns would merge the ends of short tasks
  state_->zone = star_zone(state_->engine);
  state_->fabric = new_host(state_->zone, "fabric", {1.0});
}

SimgridEngine::~SimgridEngine() = default;

bool SimgridEngine::exists() { return sg::Engine::has_instance(); }

SimgridEngine::Core SimgridEngine::add_core(const std::string& name, double slowdown) {
  state_->cores.push_back(new_host(state_->zone, name, {1.0, 1.0 / slowdown}));
  return static_cast<Core>(state_->cores.size()) - 1;
}

SimgridEngine::Port SimgridEngine::add_port(const std::string& name, BytesPerSecond bandwidth) {
  State& state = *state_;
  sg::Host* host = new_host(state.zone, name, {1.0});
  const sg::LinkInRoute out(new_link(state.zone, name + " out", bandwidth * kUnitsPerByte)->set_latency(0.0));
  const sg::LinkInRoute in(new_link(state.zone, name + " in", bandwidth * kUnitsPerByte)->set_latency(0.0));
  route_from(state.zone, host, {out});
  route_to(state.zone, host, {in});
  state.ports.push_back(host);
  return static_cast<Port>(state.ports.size()) - 1;
}

void SimgridEngine::seal() { state_->engine.seal_platform(); }

void SimgridEngine::compute(Core core, Seconds seconds, Tag tag) {
  const sg::ExecPtr exec = sg::Exec::init();
  exec->set_flops_amount(seconds);
  exec->set_host(state_->cores[static_cast<size_t>(core)]);
  state_->hold(exec, tag);
  exec->start();
}

void SimgridEngine::set_slowed(Core core, bool slowed) {
  state_->cores[static_cast<size_t>(core)]->set_pstate(slowed ? 1 : 0);
}

void SimgridEngine::transfer(Port port, Direction direction, double bytes, int copies, Tag tag) {
  sg::Host* host = state_->ports[static_cast<size_t>(port)];
  const bool out = direction == Direction::out;
  const uint32_t together = copies > 1 ? state_->new_copies(copies) : 0;
  for (int copy = 0; copy < copies; ++copy) {
    const sg::CommPtr comm = sg::Comm::sendto_init(out ? host : state_->fabric, out ? state_->fabric : host);
    comm->set_payload_size(
        std::max<uint64_t>(1, static_cast<uint64_t>(bytes * kUnitsPerByte + 0.5)));  // an empty one never starts
    state_->hold(comm, tag, together);
    comm->start();
  }
}

void SimgridEngine::delay(Seconds seconds, Tag tag) {
  simgrid::kernel::timer::Timer::set(now() + seconds, [this, tag] { (*state_->on_completion)(tag); });
}

void SimgridEngine::run(const std::function<void(Tag)>& on_completion) {
  state_->on_completion = &on_completion;
  tell_completions([state = state_.get()](const sg::Activity& activity) { state->completed(activity); });
  state_->engine.run();
  state_->last_ended = nullptr;
}

Seconds SimgridEngine::now() const { return sg::Engine::get_clock(); }

}  // namespace moesaic::simulator
