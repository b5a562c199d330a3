#pragma once
// A backend that runs no operators and has no device memory, for tests of what is asked of a backend.

#include "executor/backend/inline_backend.h"

namespace moesaic::executor::testing {

class IdleBackend : public InlineBackend {
 public:
  std::string name() const override { return "idle"; }
  void* allocate(Bytes, Lane) override { return nullptr; }
  void release(void*, LaneSet) override {}
  void launch(const Launch&) override {}
  NonFinite find_non_finite(std::span<const Operand>, ExactSquares*) override { return {}; }
};

}  // namespace moesaic::executor::testing
