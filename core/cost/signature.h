#pragma once
// The key under which a profile stores the curve of an operator, and the way back from a curve to the operator's shape.
// It finds nothing itself.

#include <cstdint>
#include <map>
#include <string>

#include "core/operators/operator.h"
#include "core/schema/profile.h"

namespace moesaic {

/// "linear|f32|n=512,k=128": the key under which a curve is found.
std::string signature_of(Op op, DType dtype, const OpShape& shape);

/// Throws InputError for an operator or dimension that does not exist.
std::string signature_of(const OperatorCurve& curve);

/// The inverse of dimensions_of(). Throws InputError for a dimension that does not exist.
OpShape shape_of(const std::map<std::string, int64_t>& dimensions);

/// The dtype under which an operator is measured: that of its task for matrix products and for what moves rows; the
/// others work in f32.
DType curve_dtype(Op op, DType dtype);

}  // namespace moesaic
