#pragma once
// A device whose every launch the reference repeats on copies of the operands, in double, before the results are
// compared element by element. It changes no result.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>

#include "core/operators/optimizer.h"
#include "core/operators/router.h"
#include "executor/backend/forwarding_backend.h"
#include "executor/launch/chunk_route.h"
#include "executor/reference/kernels.h"
#include "tests/executor/reference/comparison.h"

namespace moesaic::executor::testing {

/// Operands in this host's memory. Two of the same place share a copy.
class HostCopies {
 public:
  HostCopies(Backend& backend, std::span<const Operand> operands) {
    for (const Operand& operand : operands) copies_.push_back(copy_of(operand, backend));
    backend.settle();
  }
  std::span<const Operand> operands() const { return copies_; }
  const Operand& operator[](size_t i) const { return copies_[i]; }

 private:
  Operand copy_of(const Operand& operand, Backend& backend) {
    const int64_t stride = operand.row_stride > 0 ? operand.row_stride : operand.row_elements;
    const int64_t elements = operand.rows == 0 ? 0 : (operand.rows - 1) * stride + operand.row_elements;
    const Bytes bytes = bytes_of(operand.dtype, elements);
    auto [place, is_new] = memory_.try_emplace({operand.data, bytes}, static_cast<size_t>(bytes));
    if (is_new && bytes > 0) backend.copy(Lane::compute, place->second.data(), operand.data, bytes);
    Operand copy = operand;
    copy.data = place->second.data();
    return copy;
  }

  std::map<std::pair<const void*, Bytes>, std::vector<std::byte>> memory_;
  std::vector<Operand> copies_;
};

class ComparingBackend final : public ForwardingBackend {
 public:
  ComparingBackend(std::unique_ptr<Backend> inner, Comparison& comparison)
      : ForwardingBackend(*inner), inner_(std::move(inner)), comparison_(comparison) {}

  /// What is captured has no results yet.
  bool begin_capture() override { return false; }

  void launch(const Launch& l) override {
    settle();
    const HostCopies reads(*this, l.reads), before(*this, l.writes), expected(*this, l.writes);
    for (size_t i = 0; i < l.writes.size(); ++i)
      if (!begins_with_what_stands_there(l, i)) poison(expected[i]);
    reference::Stateless reference;
    reference::kernels().launch({l.task, reads.operands(), expected.operands(), l.counts, l.context}, reference);
    ForwardingBackend::launch(l);
    settle();
    const HostCopies found(*this, l.writes);
    for (size_t i = 0; i < l.writes.size(); ++i) compare(l, i, before[i], expected[i], found[i]);
    comparison_.add(l.task);
  }

 private:
  /// It is added to, updated, or read as well.
  static bool begins_with_what_stands_there(const Launch& l, size_t write) {
    const WriteRange added = facts_of(l.task.op).adds_to;
    if (l.task.op == Op::adamw || (write >= added.first && write < added.first + added.count)) return true;
    return std::any_of(l.reads.begin(), l.reads.end(),
                       [&](const Operand& read) { return read.data == l.writes[write].data; });
  }

  /// NaN: elements that are NaN afterwards are not the operator's to write.
  static void poison(const Operand& operand) {
    constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    if (operand.dtype == DType::bf16)
      std::fill_n(operand.as<BFloat16>(), operand.elements(), to_bf16(kNaN));
    else
      std::fill_n(operand.f32(), operand.elements(), kNaN);
  }

  void compare(const Launch& l, size_t write, const Operand& before, const Operand& expected, const Operand& found) {
    using AdamW = operands::AdamW;
    if (found.tensor == l.context.graph->inputs.loss) return compare_losses(l, expected, found);
    if (l.task.op == Op::router && write == operands::Router::route) return compare_routes(l, expected, found);
    if (found.dtype == DType::i32) return compare_integers(l, expected.i32(), found.i32(), found.elements());
    // The parts of moments, each as long as the weight, differ in magnitude.
    const bool moments = l.task.op == Op::adamw && write % AdamW::kWrites == AdamW::moments;
    const int64_t part = moments ? l.writes[write - AdamW::moments + AdamW::weight].elements() : found.elements();
    for (int64_t begin = 0; begin < found.elements(); begin += part)
      compare_elements(l, before, expected, found, begin, begin + part);
  }

  void compare_elements(const Launch& l, const Operand& before, const Operand& expected, const Operand& found,
                        int64_t begin, int64_t end) {
    const std::string name = "'" + l.context.graph->tensors[found.tensor].name + "'";
    double largest = 0.0, apart = 0.0;
    for (int64_t i = begin; i < end; ++i) {
      const auto should = static_cast<double>(element(expected, i)), is = static_cast<double>(element(found, i));
      if (std::isnan(should)) {
        if (!same_bits(before, found, i)) comparison_.fail(l.task, name + " " + std::to_string(i) + " is another's");
        continue;
      }
      largest = std::max(largest, std::abs(should));
      apart = std::isnan(is) ? std::numeric_limits<double>::infinity() : std::max(apart, std::abs(is - should));
    }
    if (!(apart <= comparison_.tolerances.of(l.task, found.dtype) * largest))
      comparison_.fail(l.task, name + " is " + std::to_string(apart) + " apart, of " + std::to_string(largest));
  }

  static bool same_bits(const Operand& a, const Operand& b, int64_t i) {
    const Bytes size = bytes_of(a.dtype, 1);
    return std::memcmp(a.as<std::byte>() + i * size, b.as<std::byte>() + i * size, static_cast<size_t>(size)) == 0;
  }

  /// Cross-entropy and auxiliary loss, in double.
  void compare_losses(const Launch& l, const Operand& expected, const Operand& found) {
    for (int i = 0; i < 2; ++i) {
      const double should = expected.as<double>()[i], is = found.as<double>()[i];
      if (!(std::abs(is - should) <= comparison_.tolerances.f32 * should)) comparison_.fail(l.task, "another loss");
    }
  }

  void compare_integers(const Launch& l, const int32_t* expected, const int32_t* found, int64_t count) {
    if (!std::equal(expected, expected + count, found)) comparison_.fail(l.task, "other integers");
  }

  void compare_routes(const Launch& l, const Operand& expected, const Operand& found) {
    const Route should = route_at(l, expected, 0), is = route_at(l, found, 0);
    const int64_t choices = l.context.graph->tokens_per_rank * l.task.shape.top_k;
    compare_integers(l, should.chosen, is.chosen, choices);
    compare_integers(l, should.rows, is.rows, choices * l.context.graph->expert_slices);
    if (is.places != nullptr) compare_integers(l, should.places, is.places, choices * l.context.graph->expert_slices);
    for (int64_t i = 0; i < choices; ++i)
      if (!(std::abs(is.weights[i] - should.weights[i]) <= comparison_.tolerances.f32))
        comparison_.fail(l.task, "another weight of choice " + std::to_string(i));
  }

  std::unique_ptr<Backend> inner_;
  Comparison& comparison_;
};

}  // namespace moesaic::executor::testing
