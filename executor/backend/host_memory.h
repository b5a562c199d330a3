#pragma once
// Host memory of a backend that goes with its owner. It does not wait for copies: whoever lets it go has seen them end.

#include <utility>

#include "executor/backend/backend.h"

namespace moesaic::executor {

class HostMemory {
 public:
  HostMemory(Backend& backend, Bytes bytes) : backend_(&backend), data_(backend.allocate_host(bytes)) {}
  ~HostMemory() {
    if (data_ != nullptr) backend_->release_host(data_);
  }
  HostMemory(HostMemory&& other) noexcept : backend_(other.backend_), data_(std::exchange(other.data_, nullptr)) {}
  HostMemory& operator=(HostMemory&& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(data_, other.data_);
    return *this;
  }

  void* data() const { return data_; }
  template <typename Element>
  Element* as() const {
    return static_cast<Element*>(data_);
  }

 private:
  Backend* backend_;
  void* data_;
};

}  // namespace moesaic::executor
