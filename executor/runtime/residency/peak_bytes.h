#pragma once
// Memory that is held at present, and the most that ever was.

#include <algorithm>

#include "core/schema/units.h"

namespace moesaic::executor {

class PeakBytes {
 public:
  void add(Bytes bytes) {
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  void remove(Bytes bytes) { live_ -= bytes; }

  Bytes live() const { return live_; }
  Bytes peak() const { return peak_; }

 private:
  Bytes live_ = 0, peak_ = 0;
};

}  // namespace moesaic::executor
