#ifdef MOESAIC_HAVE_CUDNN
#include "executor/cuda/cudnn_graph.h"

#include "core/schema/error.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int64_t kAlignment = 16;  // bytes, of tensors in memory: what the attention engines load at once

Descriptor make(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t made = nullptr;
  CUDNN_CHECK(cudnnBackendCreateDescriptor(type, &made));
  return Descriptor(made);
}

template <typename T>
void set(const Descriptor& of, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T* values,
         int64_t count) {
  CUDNN_CHECK(cudnnBackendSetAttribute(of.get(), name, type, count, values));
}
template <typename T>
void set(const Descriptor& of, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
  set(of, name, type, &value, 1);
}
void set(const Descriptor& of, cudnnBackendAttributeName_t name, const Descriptor& value) {
  void* const raw = value.get();
  set(of, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &raw, 1);
}
void set(const Descriptor& of, cudnnBackendAttributeName_t name, void* descriptor) {
  set(of, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &descriptor, 1);
}

void finalize(const Descriptor& descriptor) { CUDNN_CHECK(cudnnBackendFinalize(descriptor.get())); }

/// False where cuDNN answers that it has no support for what the descriptor asks.
bool accepted(const Descriptor& descriptor) {
  const cudnnStatus_t status = cudnnBackendFinalize(descriptor.get());
  if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) return false;
  CUDNN_CHECK(status);
  return true;
}

std::optional<Descriptor> operation_graph(const std::vector<Descriptor>& operations) {
  std::vector<void*> raw;
  for (const Descriptor& operation : operations) raw.push_back(operation.get());
  Descriptor graph = make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.data(),
      static_cast<int64_t>(raw.size()));
  if (!accepted(graph)) return std::nullopt;
  return graph;
}

}  // namespace

void throw_cudnn_error(cudnnStatus_t status, const char* file, int line, const char* expression) {
  std::array<char, 1024> reason{};
  cudnnGetLastErrorString(reason.data(), reason.size());
  throw DeviceError(std::string("cuda: ") + cudnnGetErrorString(status) + ", " + reason.data() + " (" + file + ":" +
                    std::to_string(line) + ": " + expression + ")");
}

Descriptor device_properties(cudnnHandle_t handle) {
  Descriptor device = make(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  set(device, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, handle);
  finalize(device);
  return device;
}

Descriptor device_properties(const std::string& json) {
  Descriptor device = make(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  set(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, json.c_str(),
      static_cast<int64_t>(json.size() + 1));
  finalize(device);
  return device;
}

int64_t CudnnGraph::tensor(cudnnDataType_t type, const Extents& dims, const Extents& strides, Place place) {
  const Descriptor& made = tensors_.emplace_back(make(CUDNN_BACKEND_TENSOR_DESCRIPTOR));
  const auto id = static_cast<int64_t>(tensors_.size());
  set(made, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
  set(made, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
  set(made, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, dims.data(), 4);
  set(made, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.data(), 4);
  set(made, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, kAlignment);
  set(made, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, place == Place::inside);
  set(made, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, place == Place::by_value);
  finalize(made);
  return id;
}

void CudnnGraph::matmul(int64_t a, int64_t b, int64_t c) {
  const Descriptor product = make(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  set(product, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  finalize(product);
  const Descriptor& operation = operations_.emplace_back(make(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR));
  set(operation, CUDNN_ATTR_OPERATION_MATMUL_ADESC, at(a));
  set(operation, CUDNN_ATTR_OPERATION_MATMUL_BDESC, at(b));
  set(operation, CUDNN_ATTR_OPERATION_MATMUL_CDESC, at(c));
  set(operation, CUDNN_ATTR_OPERATION_MATMUL_DESC, product);
  finalize(operation);
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t op, int64_t x, int64_t y) {
  const Descriptor reduction = make(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  set(reduction, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, op);
  set(reduction, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  finalize(reduction);
  const Descriptor& operation = operations_.emplace_back(make(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR));
  set(operation, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, at(x));
  set(operation, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, at(y));
  set(operation, CUDNN_ATTR_OPERATION_REDUCTION_DESC, reduction);
  finalize(operation);
}

void CudnnGraph::transpose(int64_t x, int64_t y) {
  const Descriptor& operation = operations_.emplace_back(make(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR));
  set(operation, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, at(x));
  set(operation, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, at(y));
  finalize(operation);
}

void CudnnGraph::elementwise(cudnnPointwiseMode_t mode, const std::vector<int64_t>& inputs, int64_t y,
                             cudnnDataType_t compute, int64_t axis) {
  const Descriptor function = make(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  set(function, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
  set(function, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, compute);
  if (axis >= 0) set(function, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, axis);
  finalize(function);
  const Descriptor& operation = operations_.emplace_back(make(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR));
  constexpr std::array kInputs = {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                                  CUDNN_ATTR_OPERATION_POINTWISE_TDESC};
  set(operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, function);
  for (size_t i = 0; i < inputs.size(); ++i) set(operation, kInputs[i], at(inputs[i]));
  set(operation, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, at(y));
  finalize(operation);
}

std::vector<Descriptor> CudnnGraph::engine_configs(const Descriptor& device) const {
  const std::optional<Descriptor> graph = operation_graph(operations_);
  if (!graph) return {};
  const Descriptor heuristics = make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  set(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, *graph);
  set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, CUDNN_HEUR_MODE_A);
  set(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  if (!accepted(heuristics)) return {};
  int64_t count = 0;
  CUDNN_CHECK(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                       0, &count, nullptr));
  std::vector<Descriptor> configs;
  std::vector<void*> raw;
  for (int64_t i = 0; i < count; ++i) {
    configs.push_back(make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
    raw.push_back(configs.back().get());
  }
  CUDNN_CHECK(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                       count, &count, raw.data()));
  configs.resize(static_cast<size_t>(count));
  return configs;
}

std::optional<CudnnPlan> CudnnPlan::make(const Descriptor& engine_config, const Descriptor& device) {
  Descriptor plan = cuda::make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  set(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine_config);
  set(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
  if (!accepted(plan)) return std::nullopt;
  int64_t bytes = 0, count = 0;
  CUDNN_CHECK(cudnnBackendGetAttribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                       &count, &bytes));
  return CudnnPlan(std::move(plan), bytes);
}

void CudnnPlan::run(cudnnHandle_t handle, const std::vector<int64_t>& ids, const std::vector<void*>& pointers,
                    void* workspace) const {
  const Descriptor pack = cuda::make(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  const auto count = static_cast<int64_t>(ids.size());
  set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids.data(), count);
  set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers.data(), count);
  set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  finalize(pack);
  CUDNN_CHECK(cudnnBackendExecute(handle, plan_.get(), pack.get()));
}

}  // namespace moesaic::executor::cuda
#endif  // MOESAIC_HAVE_CUDNN
