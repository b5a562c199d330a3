#pragma once
// A device at a fraction of another one's speed, to try plans for mixed machines where all cores are alike, or for more
// devices than there are cores: each launch lasts a multiple of the processor time that it took, asleep for the rest,
// so other ranks may have the core. For backends whose launches run inline; the results are the inner backend's.

#include "executor/backend/forwarding_backend.h"

namespace moesaic::executor {

class SlowedBackend final : public ForwardingBackend {
 public:
  /// `inner` must outlive this. 0 < speed <= 1: of the inner backend's. To be made on the thread that launches.
  SlowedBackend(Backend& inner, double speed);

  Seconds slept() const override { return slept_; }
  void launch(const Launch& launch) override;

  /// How well it kept time: what launches should have lasted, processor time / speed, and what they did; and of those
  /// that slept, how late they woke, which the next launch makes up for.
  struct Kept {
    Seconds due = 0, lasted = 0, woke_late = 0;
    int64_t slept = 0;
  };
  const Kept& kept() const { return kept_; }

 private:
  const double speed_;
  Seconds last_end_ = 0;  // of a steady clock
  Seconds late_ = 0;      // that the last launch ended after its time; the next one is shorter by it
  Seconds slept_ = 0;
  Kept kept_;
};

}  // namespace moesaic::executor
