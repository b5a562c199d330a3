#pragma once
// A device at a fraction of another one's speed, to try plans for mixed machines where all cores are alike, or for more
// devices than there are cores: each launch lasts a multiple of the processor time that it took, asleep for the rest,
// so other ranks may have the core. For backends whose launches run inline; the results are the inner backend's.

#include "executor/backend/backend.h"

namespace moesaic::executor {

class SlowedBackend final : public Backend {
 public:
  /// `inner` must outlive this. 0 < speed <= 1: of the inner backend's. To be made on the thread that launches.
  SlowedBackend(Backend& inner, double speed);

  std::string name() const override { return inner_.name(); }
  bool runs_inline() const override { return inner_.runs_inline(); }
  std::string device_name() const override { return inner_.device_name(); }
  Seconds slept() const override { return slept_; }
  void* allocate(Bytes bytes, Lane first_user = Lane::compute) override { return inner_.allocate(bytes, first_user); }
  void release(void* data, LaneSet users = LaneSet::all()) override { inner_.release(data, users); }
  void* allocate_host(Bytes bytes) override { return inner_.allocate_host(bytes); }
  void release_host(void* data) override { inner_.release_host(data); }
  void launch(const Launch& launch) override;
  void copy(Lane lane, void* to, const void* from, Bytes bytes) override { inner_.copy(lane, to, from, bytes); }
  void clear(Lane lane, void* data, Bytes bytes) override { inner_.clear(lane, data, bytes); }
  NonFinite find_non_finite(std::span<const Operand> operands) override { return inner_.find_non_finite(operands); }
  Event record(Lane lane) override { return inner_.record(lane); }
  bool done(Event event) override { return inner_.done(event); }
  void wait_for(Lane lane, Event event) override { inner_.wait_for(lane, event); }
  void mark(Lane lane, Seconds* at) override { inner_.mark(lane, at); }
  void settle() override { inner_.settle(); }

  /// How well it kept time: what launches should have lasted, processor time / speed, and what they did; and of those
  /// that slept, how late they woke, which the next launch makes up for.
  struct Kept {
    Seconds due = 0, lasted = 0, woke_late = 0;
    int64_t slept = 0;
  };
  const Kept& kept() const { return kept_; }

 private:
  Backend& inner_;
  const double speed_;
  Seconds last_end_ = 0;  // of a steady clock
  Seconds late_ = 0;      // that the last launch ended after its time; the next one is shorter by it
  Seconds slept_ = 0;
  Kept kept_;
};

}  // namespace moesaic::executor
