#pragma once
// The blocks of a model in one microbatch, forward and backward through any stretch of its layers.

#include <memory>
#include <vector>

#include "core/blocks/model_blocks.h"

namespace moesaic {

/// The parameters of all blocks, the embedding's first.
void declare_parameters(StepBuilder& b);

class MicrobatchPasses {
 public:
  MicrobatchPasses(StepBuilder& b, int microbatch);

  /// Layers [first, last), with the embedding before layer 0 and the head behind the last one.
  void forward(int first, int last);
  /// The way back of forward(first, last).
  void backward(int first, int last);
  /// Hands the result of a stage's pass to the stage that goes on with it.
  void send(bool is_backward, int stage);

 private:
  using Blocks = std::vector<std::unique_ptr<Block>>;
  Blocks& at(int place) { return places_[static_cast<size_t>(place + 1)]; }
  /// The places of a stretch of layers: [begin, end).
  struct Places {
    int begin, end;
  };
  Places places_of(int first, int last) const;
  void gather_counts(const Places& places);

  StepBuilder& b_;
  const int microbatch_;
  std::vector<Blocks> places_;  // [embedding, layers, head]
  TensorId x_ = kNoTensor;      // what the next block reads, forward or backward
};

}  // namespace moesaic
