#include "executor/cpu/primitive_cache.h"

#include <initializer_list>

namespace moesaic::executor::cpu {

std::size_t PrimitiveKeyHash::operator()(const PrimitiveKey& key) const {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (std::int64_t part : {key.m, key.n, key.k, key.a_row, key.a_column, key.b_row, key.b_column, key.ldc,
                            std::int64_t{key.accumulate}, std::int64_t{key.bf16}}) {
    hash = (hash ^ static_cast<std::uint64_t>(part)) * 0x100000001B3u;
  }
  return static_cast<std::size_t>(hash ^ (hash >> 29));
}

}  // namespace moesaic::executor::cpu

#ifdef MOESAIC_HAVE_DNNL

#include <dlfcn.h>

#include <dnnl.hpp>
#include <list>
#include <unordered_map>
#include <utility>

#include "executor/cpu/bfloat16.h"
#include "executor/cpu/instruction_set.h"
#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {
namespace {

constexpr std::size_t kCapacity = 2048;  // about 50 block sizes of 40 shapes; a primitive is some tens of KB

// OpenMP's thread count belongs to the calling thread, so each thread that computes sets its own. The symbol is looked
// up because a library build without OpenMP has none and then runs on one thread anyway.
void use_one_thread() {
  if (void* symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads")) reinterpret_cast<void (*)(int)>(symbol)(1);
}

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

struct Primitive {
  dnnl::matmul product;
  dnnl::memory a, b, c;
  std::unordered_map<int, dnnl::memory> arguments;  // the same three: made once, not in every call
};

Primitive make_primitive(const PrimitiveKey& key) {
  using dnnl::memory;
  const auto type = key.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const memory::desc a({key.m, key.k}, type, memory::dims{key.a_row, key.a_column});
  const memory::desc b({key.k, key.n}, type, memory::dims{key.b_row, key.b_column});
  const memory::desc c({key.m, key.n}, memory::data_type::f32, memory::dims{key.ldc, 1});
  dnnl::primitive_attr attributes;
  if (key.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, c), attributes, cpu_engine());
  const memory a_memory(a, cpu_engine(), nullptr), b_memory(b, cpu_engine(), nullptr),
      c_memory(c, cpu_engine(), nullptr);
  return {dnnl::matmul(description),
          a_memory,
          b_memory,
          c_memory,
          {{DNNL_ARG_SRC, a_memory}, {DNNL_ARG_WEIGHTS, b_memory}, {DNNL_ARG_DST, c_memory}}};
}

class PrimitiveCache {
 public:
  PrimitiveCache() { use_one_thread(); }

  Primitive& find(const PrimitiveKey& key) {
    if (const auto found = place_.find(key); found != place_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->second;
    }
    if (recent_.size() == kCapacity) {
      place_.erase(recent_.back().first);
      recent_.pop_back();
    }
    recent_.emplace_front(key, make_primitive(key));
    place_.emplace(key, recent_.begin());
    ++created_;
    return recent_.front().second;
  }

  dnnl::stream& stream() { return stream_; }
  std::int64_t created() const { return created_; }

 private:
  using Entry = std::pair<PrimitiveKey, Primitive>;
  dnnl::stream stream_{cpu_engine()};
  std::list<Entry> recent_;  // most recently used first
  std::unordered_map<PrimitiveKey, std::list<Entry>::iterator, PrimitiveKeyHash> place_;
  std::int64_t created_ = 0;
};

PrimitiveCache& cache() {
  thread_local PrimitiveCache instance;
  return instance;
}

void execute_as_it_is(const PrimitiveKey& key, const void* a, const void* b, float* c) {
  Primitive& primitive = cache().find(key);
  // The library writes only to its destination; its handles are not const for want of a const variant.
  primitive.a.set_data_handle(const_cast<void*>(a));
  primitive.b.set_data_handle(const_cast<void*>(b));
  primitive.c.set_data_handle(c);
  primitive.product.execute(cache().stream(), primitive.arguments);
  cache().stream().wait();
}

// Whether elements of a row lie side by side; else those of a column do.
bool in_rows(std::int64_t column_stride) { return column_stride == 1; }

// The same product of dense f32 operands, stored in the same order.
PrimitiveKey widened(PrimitiveKey key) {
  key.bf16 = false;
  const bool a_rows = in_rows(key.a_column), b_rows = in_rows(key.b_column);
  key.a_row = a_rows ? key.k : 1;
  key.a_column = a_rows ? 1 : key.m;
  key.b_row = b_rows ? key.n : 1;
  key.b_column = b_rows ? 1 : key.k;
  return key;
}

// A dense f32 copy of x [lines, length], whose lines start `stride` elements apart.
const float* widen(const void* x, std::int64_t lines, std::int64_t length, std::int64_t stride,
                   Scratch<float>& scratch) {
  const auto* from = static_cast<const BFloat16*>(x);
  float* to = scratch.of_size(lines * length);
  for (std::int64_t line = 0; line < lines; ++line) widen_bf16(from + line * stride, to + line * length, length);
  return to;
}

void execute_widened(const PrimitiveKey& key, const void* a, const void* b, float* c) {
  thread_local Scratch<float> a_scratch, b_scratch;
  const float* a32 = in_rows(key.a_column) ? widen(a, key.m, key.k, key.a_row, a_scratch)
                                           : widen(a, key.k, key.m, key.a_column, a_scratch);
  const float* b32 = in_rows(key.b_column) ? widen(b, key.k, key.n, key.b_row, b_scratch)
                                           : widen(b, key.n, key.k, key.b_column, b_scratch);
  execute_as_it_is(widened(key), a32, b32, c);
}

bool needs_widening(const PrimitiveKey& key) {
  static const bool as_it_is = multiplies_bf16();
  return key.bf16 && !as_it_is;
}

}  // namespace

void execute_primitive(const PrimitiveKey& key, const void* a, const void* b, float* c) {
  needs_widening(key) ? execute_widened(key, a, b, c) : execute_as_it_is(key, a, b, c);
}

void prepare_primitive(const PrimitiveKey& key) { cache().find(needs_widening(key) ? widened(key) : key); }

std::int64_t primitives_created() { return cache().created(); }

}  // namespace moesaic::executor::cpu

#else  // no oneDNN: loops, which need nothing made beforehand

#include "executor/cpu/plain_product.h"

namespace moesaic::executor::cpu {

void execute_primitive(const PrimitiveKey& key, const void* a, const void* b, float* c) { plain_product(key, a, b, c); }

void prepare_primitive(const PrimitiveKey&) {}

std::int64_t primitives_created() { return 0; }

}  // namespace moesaic::executor::cpu

#endif  // MOESAIC_HAVE_DNNL
