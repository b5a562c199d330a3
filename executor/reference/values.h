#pragma once
// Operands in host memory as arrays of double: what is stored as f32 or bf16 is widened when it is read, and rounded
// when it is written.

#include <vector>

#include "executor/backend/backend.h"

namespace moesaic::executor::reference {

/// `count` elements from `begin` on.
std::vector<double> read_values(const Operand& operand, int64_t begin, int64_t count);
void write_values(const std::vector<double>& values, const Operand& operand, int64_t begin);
void set_to_zero(const Operand& operand);

/// Stands for a `const double*` in the call of an operator.
class Input {
 public:
  Input(const Operand& operand, int64_t begin, int64_t count) : values_(read_values(operand, begin, count)) {}
  explicit Input(const Operand& operand) : Input(operand, 0, operand.elements()) {}
  operator const double*() const { return values_.data(); }  // NOLINT: as an argument

 private:
  std::vector<double> values_;
};

/// Stands for a `double*`: begins with what the operand holds, and writes it back at the end of the call.
class Output {
 public:
  Output(const Operand& operand, int64_t begin, int64_t count)
      : operand_(operand), begin_(begin), values_(read_values(operand, begin, count)) {}
  explicit Output(const Operand& operand) : Output(operand, 0, operand.elements()) {}
  ~Output() { write_values(values_, operand_, begin_); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  operator double*() { return values_.data(); }  // NOLINT: as an argument

 private:
  const Operand& operand_;
  int64_t begin_;
  std::vector<double> values_;
};

}  // namespace moesaic::executor::reference
