#pragma once
// Memory that an operator needs for a moment and keeps for the next call. It never shrinks, its contents are undefined:
// a vector would write zeros over what is about to be written.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace moesaic::executor::cpu {

template <typename Element>
class Scratch {
 public:
  /// At least `count` elements, valid until the next call.
  Element* of_size(std::int64_t count) {
    const auto wanted = static_cast<std::size_t>(count);
    if (wanted > size_) {
      data_.reset();
      data_.reset(static_cast<Element*>(::operator new(wanted * sizeof(Element), kAlignment)));
      size_ = wanted;
    }
    return data_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};  // bytes: one cache line
  struct Free {
    void operator()(Element* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<Element[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace moesaic::executor::cpu
