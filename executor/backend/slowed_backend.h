#pragma once
// A device at a fraction of another one's speed, to try plans for mixed machines where all cores are alike: after each
// launch it keeps its core busy for the rest of the time that the slower device would need. For backends whose launches
// run inline; the results are the inner backend's.

#include "executor/backend/backend.h"

namespace moesaic::executor {

class SlowedBackend final : public Backend {
 public:
  /// `inner` must outlive this. 0 < speed <= 1: of the inner backend's.
  SlowedBackend(Backend& inner, double speed) : inner_(inner), extra_(1 / speed - 1) {}

  std::string name() const override { return inner_.name(); }
  void* allocate(Bytes bytes) override { return inner_.allocate(bytes); }
  void release(void* data) override { inner_.release(data); }
  void launch(const Launch& launch) override;
  void copy(Lane lane, void* to, const void* from, Bytes bytes) override { inner_.copy(lane, to, from, bytes); }
  Event record(Lane lane) override { return inner_.record(lane); }
  bool done(Event event) override { return inner_.done(event); }
  void wait_for(Lane lane, Event event) override { inner_.wait_for(lane, event); }

 private:
  Backend& inner_;
  const double extra_;  // processor time to add per processor time of a launch
};

}  // namespace moesaic::executor
