#include "executor/backend/inline_backend.h"

#include <cstdlib>
#include <cstring>

#include "core/schema/error.h"
#include "executor/backend/large_pages.h"
#include "executor/machine/steady_clock.h"

namespace moesaic::executor {

void* InlineBackend::allocate_host(Bytes bytes) {
  constexpr size_t kAlignment = 64;  // bytes: one cache line
  void* data = allocate_in_large_pages(static_cast<size_t>(bytes + 63) / 64 * 64, kAlignment);
  if (data == nullptr) throw DeviceError(name() + ": no memory for " + format_bytes(static_cast<double>(bytes)));
  return data;
}

void InlineBackend::release_host(void* data) { std::free(data); }

void InlineBackend::copy(Lane, void* to, const void* from, Bytes bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}

void InlineBackend::clear(Lane, void* data, Bytes bytes) {
  if (bytes > 0) std::memset(data, 0, static_cast<size_t>(bytes));
}

void InlineBackend::mark(Lane, Seconds* at) { *at = steady_seconds(); }

}  // namespace moesaic::executor
