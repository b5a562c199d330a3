#pragma once
// Memory that an operator needs for a moment and keeps for the next call. It never shrinks, its contents are undefined:
// a vector would write zeros over what is about to be written.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "executor/backend/large_pages.h"

namespace moesaic::executor::cpu {

template <typename Element>
class Scratch {
 public:
  /// At least `count` elements, valid until the next call.
  Element* of_size(std::int64_t count) {
    const auto wanted = static_cast<std::size_t>(count);
    if (wanted > size_) {
      data_.reset();
      constexpr std::size_t kLine = 64;  // bytes
      data_.reset(static_cast<Element*>(
          allocate_in_large_pages((wanted * sizeof(Element) + kLine - 1) / kLine * kLine, kLine)));
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = wanted;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(Element* data) const { std::free(data); }
  };
  std::unique_ptr<Element[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace moesaic::executor::cpu
