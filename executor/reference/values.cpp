#include "executor/reference/values.h"

#include <algorithm>
#include <cstring>

#include "core/schema/bfloat16.h"
#include "core/schema/error.h"

namespace moesaic::executor::reference {

std::vector<double> read_values(const Operand& operand, int64_t begin, int64_t count) {
  std::vector<double> values(static_cast<size_t>(count));
  if (operand.dtype == DType::bf16)
    std::transform(operand.as<BFloat16>() + begin, operand.as<BFloat16>() + begin + count, values.begin(),
                   [](BFloat16 x) { return static_cast<double>(to_float(x)); });
  else {
    MOESAIC_CHECK(operand.dtype == DType::f32, "the reference reads f32 and bf16");
    std::copy_n(operand.f32() + begin, count, values.begin());
  }
  return values;
}

void write_values(const std::vector<double>& values, const Operand& operand, int64_t begin) {
  const auto narrow = [](double x) { return static_cast<float>(x); };
  if (operand.dtype == DType::bf16)
    std::transform(values.begin(), values.end(), operand.as<BFloat16>() + begin,
                   [&](double x) { return to_bf16(narrow(x)); });
  else
    std::transform(values.begin(), values.end(), operand.f32() + begin, narrow);
}

void set_to_zero(const Operand& operand) { std::memset(operand.data, 0, static_cast<size_t>(operand.bytes())); }

}  // namespace moesaic::executor::reference
