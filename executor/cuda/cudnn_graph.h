#pragma once
// Graphs of cuDNN's backend interface: tensors and operations go in, a plan that runs them as few kernels comes out.
// It knows none of our operators, and it is used only where MOESAIC_HAVE_CUDNN is defined.

#include <cudnn.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/schema/units.h"

namespace moesaic::executor::cuda {

/// Throws DeviceError "cuda: <reason> (<file>:<line>: <expression>)" with cuDNN's own words on why.
[[noreturn]] void throw_cudnn_error(cudnnStatus_t status, const char* file, int line, const char* expression);

#define CUDNN_CHECK(call)                                                                          \
  do {                                                                                             \
    const cudnnStatus_t cudnn_check_status = (call);                                               \
    if (cudnn_check_status != CUDNN_STATUS_SUCCESS)                                                \
      ::moesaic::executor::cuda::throw_cudnn_error(cudnn_check_status, __FILE__, __LINE__, #call); \
  } while (false)

struct DestroyDescriptor {
  void operator()(void* descriptor) const { (void)cudnnBackendDestroyDescriptor(descriptor); }
};
using Descriptor = std::unique_ptr<void, DestroyDescriptor>;  // cudnnBackendDescriptor_t

/// The device that plans are made for: the one of a handle, or one that need not be here, as the JSON that cuDNN writes
/// for CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION.
Descriptor device_properties(cudnnHandle_t handle);
Descriptor device_properties(const std::string& json);

using Extents = std::array<int64_t, 4>;  // [batch, heads, rows, columns]

/// Where the elements of a tensor are: in memory, only inside the plan's kernels, or in the plan as one number.
enum class Place { memory, inside, by_value };

class CudnnPlan {
 public:
  /// nullopt: cuDNN refuses when it compiles the kernel.
  static std::optional<CudnnPlan> make(const Descriptor& engine_config, const Descriptor& device);

  Bytes workspace_bytes() const { return workspace_bytes_; }
  /// pointers[i] belongs to the tensor ids[i]; those of by_value tensors are host pointers, read at once.
  void run(cudnnHandle_t handle, const std::vector<int64_t>& ids, const std::vector<void*>& pointers,
           void* workspace) const;

 private:
  CudnnPlan(Descriptor plan, Bytes workspace_bytes) : plan_(std::move(plan)), workspace_bytes_(workspace_bytes) {}

  Descriptor plan_;
  Bytes workspace_bytes_;
};

class CudnnGraph {
 public:
  /// Ids of tensors are 1, 2, ... in the order of these calls.
  int64_t tensor(cudnnDataType_t type, const Extents& dims, const Extents& strides, Place place);
  int64_t scalar() { return tensor(CUDNN_DATA_FLOAT, {1, 1, 1, 1}, {1, 1, 1, 1}, Place::by_value); }

  void matmul(int64_t a, int64_t b, int64_t c);
  void reduce(cudnnReduceTensorOp_t op, int64_t x, int64_t y);
  void transpose(int64_t x, int64_t y);
  void pointwise(cudnnPointwiseMode_t mode, int64_t x, int64_t y) { elementwise(mode, {x}, y, CUDNN_DATA_FLOAT); }
  void pointwise(cudnnPointwiseMode_t mode, int64_t x, int64_t b, int64_t y) {
    elementwise(mode, {x, b}, y, CUDNN_DATA_FLOAT);
  }
  void row_index(int64_t x, int64_t y) { elementwise(CUDNN_POINTWISE_GEN_INDEX, {x}, y, CUDNN_DATA_FLOAT, 2); }
  void column_index(int64_t x, int64_t y) { elementwise(CUDNN_POINTWISE_GEN_INDEX, {x}, y, CUDNN_DATA_FLOAT, 3); }
  void greater_equal(int64_t x, int64_t b, int64_t y) {
    elementwise(CUDNN_POINTWISE_CMP_GE, {x, b}, y, CUDNN_DATA_BOOLEAN);
  }
  /// y = where ? x : b
  void select(int64_t x, int64_t b, int64_t where, int64_t y) {
    elementwise(CUDNN_POINTWISE_BINARY_SELECT, {x, b, where}, y, CUDNN_DATA_FLOAT);
  }

  /// The engine configurations that cuDNN's heuristics offer on the device, best first; empty: the graph is refused.
  std::vector<Descriptor> engine_configs(const Descriptor& device) const;

 private:
  void elementwise(cudnnPointwiseMode_t mode, const std::vector<int64_t>& inputs, int64_t y, cudnnDataType_t compute,
                   int64_t axis = -1);
  void* at(int64_t tensor) const { return tensors_[static_cast<size_t>(tensor - 1)].get(); }

  std::vector<Descriptor> tensors_, operations_;
};

}  // namespace moesaic::executor::cuda
