#pragma once
// Weights and moments of one rank as f32 arrays of the host: the tensors themselves where the device's memory is the
// host's, copies where it is not. It does not know what the elements mean.

#include <map>
#include <vector>

#include "executor/runtime/residency/tensor_store.h"

namespace moesaic::executor {

class StateMirror {
 public:
  explicit StateMirror(TensorStore& tensors) : tensors_(tensors) {}

  /// [elements] of a tensor that lives from the start. What a copy holds before fetch() is zero.
  float* data(TensorId tensor);
  /// From the device into all arrays that have been asked for, and back; bf16 tensors are rounded.
  void fetch();
  void store();

 private:
  TensorStore& tensors_;
  std::map<TensorId, std::vector<float>> copies_;
};

}  // namespace moesaic::executor
