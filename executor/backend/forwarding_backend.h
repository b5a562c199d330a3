#pragma once
// A device that does what another one does, for those that change one thing about it. It adds nothing of its own.

#include "executor/backend/backend.h"

namespace moesaic::executor {

class ForwardingBackend : public Backend {
 public:
  /// `inner` must outlive this.
  explicit ForwardingBackend(Backend& inner) : inner_(inner) {}

  std::string name() const override { return inner_.name(); }
  bool runs_inline() const override { return inner_.runs_inline(); }
  std::string device_name() const override { return inner_.device_name(); }
  Seconds slept() const override { return inner_.slept(); }
  Bytes memory_bytes() const override { return inner_.memory_bytes(); }
  Bytes cache_bytes() const override { return inner_.cache_bytes(); }
  void* allocate(Bytes bytes, Lane first_user = Lane::compute) override { return inner_.allocate(bytes, first_user); }
  void release(void* data, LaneSet users = LaneSet::all()) override { inner_.release(data, users); }
  void* allocate_host(Bytes bytes) override { return inner_.allocate_host(bytes); }
  void release_host(void* data) override { inner_.release_host(data); }
  void launch(const Launch& launch) override { inner_.launch(launch); }
  void copy(Lane lane, void* to, const void* from, Bytes bytes) override { inner_.copy(lane, to, from, bytes); }
  void clear(Lane lane, void* data, Bytes bytes) override { inner_.clear(lane, data, bytes); }
  NonFinite find_non_finite(std::span<const Operand> operands, ExactSquares* squares) override {
    return inner_.find_non_finite(operands, squares);
  }
  Event record(Lane lane) override { return inner_.record(lane); }
  bool done(Event event) override { return inner_.done(event); }
  void wait_for(Lane lane, Event event) override { inner_.wait_for(lane, event); }
  void mark(Lane lane, Seconds* at) override { inner_.mark(lane, at); }
  void settle() override { inner_.settle(); }
  bool begin_capture() override { return inner_.begin_capture(); }
  void end_capture() override { inner_.end_capture(); }
  void replay() override { inner_.replay(); }

 private:
  Backend& inner_;
};

}  // namespace moesaic::executor
