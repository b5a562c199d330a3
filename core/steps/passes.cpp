#include "core/steps/passes.h"

#include "core/blocks/moe.h"

namespace moesaic {

void declare_parameters(StepBuilder& b) {
  for (int place = -1; place <= b.model().num_layers; ++place) {
    b.enter(scope_at(b, Phase::forward, place, 0));
    for (const std::unique_ptr<Block>& block : blocks_at(b.model(), place)) block->declare(b);
  }
}

MicrobatchPasses::MicrobatchPasses(StepBuilder& b, int microbatch) : b_(b), microbatch_(microbatch) {
  for (int place = -1; place <= b.model().num_layers; ++place) places_.push_back(blocks_at(b.model(), place));
  b.enter({Phase::forward, -1, -1, microbatch});
  b.declare_inputs();
}

MicrobatchPasses::Places MicrobatchPasses::places_of(int first, int last) const {
  return {first == 0 ? -1 : first, last == b_.model().num_layers ? last + 1 : last};
}

void MicrobatchPasses::forward(int first, int last) {
  const Places places = places_of(first, last);
  for (int place = places.begin; place < places.end; ++place) {
    b_.enter(scope_at(b_, Phase::forward, place, microbatch_));
    for (const std::unique_ptr<Block>& block : at(place)) x_ = block->forward(b_, x_);
  }
}

void MicrobatchPasses::backward(int first, int last) {
  const Places places = places_of(first, last);
  gather_counts(places);
  for (int place = places.end - 1; place >= places.begin; --place) {
    b_.enter(scope_at(b_, Phase::backward, place, microbatch_));
    for (auto block = at(place).rbegin(); block != at(place).rend(); ++block) x_ = (*block)->backward(b_, x_);
  }
}

/// The gradients of routers wait for what the whole stage has chosen.
void MicrobatchPasses::gather_counts(const Places& places) {
  std::vector<RouterCounts*> counts;
  for (int place = places.begin; place < places.end; ++place)
    for (const std::unique_ptr<Block>& block : at(place))
      if (RouterCounts* of_block = block->router_counts()) counts.push_back(of_block);
  b_.enter({Phase::backward, -1, -1, microbatch_, scope_at(b_, Phase::backward, places.begin, microbatch_).stage});
  gather_stage_counts(b_, counts);
}

void MicrobatchPasses::send(bool is_backward, int stage) {
  b_.enter({is_backward ? Phase::backward : Phase::forward, -1, -1, microbatch_, stage});
  x_ = b_.send_to_stage(x_, is_backward ? "d_arrived" : "arrived", is_backward ? stage - 1 : stage + 1);
}

}  // namespace moesaic
