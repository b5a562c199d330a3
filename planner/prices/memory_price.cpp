#include "planner/prices/memory_price.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace moesaic::planner {
namespace {

/// Bytes before the layers, in one layer of each class, behind them.
struct Parts {
  double before = 0, behind = 0;
  OfLayerClasses of_class{};
};

/// The most that lives between the forward and the backward pass of the first layer, without what layers keep; and
/// before and behind.
struct PeaksInTime {
  double between = 0, outside = 0;
  double highest(double kept) const { return std::max(outside, between + kept); }
};

/// The forms of a sample at the sizes of a plan.
class SampleMemory {
 public:
  SampleMemory(const Plan& plan, const StepSample& sample, const LayoutRows& rows)
      : plan_(plan),
        sample_(sample),
        rows_(rows),
        sizes_(sizes_of(plan)),
        kept_before(at(sample.kept_before(), rows.kept)) {
    for (size_t c = 0; c < sample.kept().size(); ++c) kept[c] = at(sample.kept()[c], rows.kept);
  }

  double at(const MemoryForm& form, const RankRows& rows) const { return form.at(sizes_, rows); }

  Parts residents(Tier tier) const {
    const StepSample::Residents& of = sample_.residents(tier);
    Parts parts{at(of.before, rows_.kept), at(of.behind, rows_.kept), {}};
    for (size_t c = 0; c < of.of_class.size(); ++c) parts.of_class[c] = at(of.of_class[c], rows_.kept);
    return parts;
  }
  double inputs() const {
    return plan_.layout.micro_batches * at(sample_.residents(Tier::device).of_microbatch, rows_.kept);
  }

  /// The highest moment of each place beside what layers before it keep.
  Parts highest_in_program_order() const {
    Parts highest;
    for (const Moment& moment : sample_.moments()) {
      if (moment.of_later_microbatches && !adds_microbatches()) continue;
      double& of = moment.place == Place::before ? highest.before
                   : moment.place == Place::behind
                       ? highest.behind
                       : highest.of_class[static_cast<size_t>(sample_.class_of(moment.layer))];
      of = std::max(of, at(moment.bytes, rows_.most));
    }
    return highest;
  }

  /// The tasks of a lane come one behind the other, so that its changes are in order.
  PeaksInTime peaks_in_time(const TaskSpans& spans) const {
    const auto [begin, end] = between_passes(spans);
    std::vector<double> bytes;
    for (const MemoryForm& form : sample_.forms_of_changes()) bytes.push_back(at(form, rows_.most));
    std::array<size_t, kNumLanes> next{};
    PeaksInTime peaks;
    double live = 0;
    for (Seconds now = next_time(next, spans); now < kNever; now = next_time(next, spans)) {
      for (size_t lane = 0; lane < next.size(); ++lane)
        for (; time_of_next(lane, next[lane], spans) == now; ++next[lane]) {
          const MemoryChange& change = sample_.changes(static_cast<Lane>(lane))[next[lane]];
          if (!change.of_later_microbatches || adds_microbatches()) live += bytes[static_cast<size_t>(change.form)];
        }
      double& of = now >= begin && now < end ? peaks.between : peaks.outside;
      of = std::max(of, live);
    }
    peaks.between -= kept_by_sample();
    return peaks;
  }

 private:
  static constexpr Seconds kNever = std::numeric_limits<Seconds>::infinity();
  Seconds time_of_next(size_t lane, size_t number, const TaskSpans& spans) const {
    const std::vector<MemoryChange>& changes = sample_.changes(static_cast<Lane>(lane));
    if (number == changes.size()) return kNever;
    const auto task = static_cast<size_t>(changes[number].task);
    return changes[number].at_end ? spans.end[task] : spans.start[task];
  }
  Seconds next_time(const std::array<size_t, kNumLanes>& next, const TaskSpans& spans) const {
    Seconds first = kNever;
    for (size_t lane = 0; lane < next.size(); ++lane) first = std::min(first, time_of_next(lane, next[lane], spans));
    return first;
  }
  bool adds_microbatches() const { return plan_.layout.zero > 1 && plan_.layout.micro_batches > 1; }
  double kept_by_sample() const {
    double bytes = kept_before;
    for (size_t i = 0; i < sample_.layers().size(); ++i)
      bytes += kept[static_cast<size_t>(sample_.class_of(static_cast<int>(i)))];
    return bytes;
  }
  /// From the end of the first layer's forward pass to the begin of its backward pass.
  std::pair<Seconds, Seconds> between_passes(const TaskSpans& spans) const {
    Seconds begin = 0, end = 0;
    for (size_t i = 0; i < sample_.tasks().size(); ++i) {
      const SampleTask& task = sample_.tasks()[i];
      if (task.place != Place::layer || task.layer != 0) continue;
      if (task.part == Part::forward && begin == 0) begin = spans.end[i];
      if (task.part == Part::backward && end == 0) end = spans.start[i];
    }
    return {begin, end};
  }

  const Plan& plan_;
  const StepSample& sample_;
  const LayoutRows& rows_;
  const SizeTerms sizes_;

 public:
  const double kept_before;  // of a microbatch between its passes
  OfLayerClasses kept{};     // in one layer
};

/// One pipeline stage.
class Stage {
 public:
  Stage(const Plan& plan, const LayerClasses& classes, int stage)
      : plan_(plan),
        classes_(classes),
        stage_(stage),
        layers_(layers_of_stage(stage, plan.model.num_layers, plan.layout.pp)) {}

  double residents(const Parts& parts) const {
    const bool has_table = is_first() || (is_last() && plan_.model.tied_embeddings);
    return has_table * parts.before + is_last() * parts.behind + over(parts.of_class, layers_);
  }
  double kept(const SampleMemory& memory) const { return memory.kept_before + over(memory.kept, layers_); }
  int in_flight() const { return std::min(plan_.layout.pp - stage_, plan_.layout.micro_batches); }

  double highest(const Parts& moments, const SampleMemory& memory) const {
    double most = is_first() * moments.before;
    if (is_last()) most = std::max(most, moments.behind + kept(memory));
    for (int c = 0; c < classes_.count; ++c)
      if (const int layer = last_of_class(c); layer >= 0)
        most = std::max(most, moments.of_class[static_cast<size_t>(c)] + memory.kept_before +
                                  over(memory.kept, {layers_.first, layer}));
    return most;
  }

 private:
  bool is_first() const { return stage_ == 0; }
  bool is_last() const { return stage_ == plan_.layout.pp - 1; }
  double over(const OfLayerClasses& of_class, LayerRange layers) const {
    double bytes = 0;
    for (int c = 0; c < classes_.count; ++c) bytes += classes_.number_in(c, layers) * of_class[static_cast<size_t>(c)];
    return bytes;
  }
  /// -1: the stage has none.
  int last_of_class(int of_class) const {
    int layer = layers_.last - 1;
    while (layer >= layers_.first && classes_.of_layer[static_cast<size_t>(layer)] != of_class) --layer;
    return layer >= layers_.first ? layer : -1;
  }

  const Plan& plan_;
  const LayerClasses& classes_;
  const int stage_;
  const LayerRange layers_;
};

Bytes whole(double bytes) { return static_cast<Bytes>(std::llround(std::max(0.0, bytes))); }

}  // namespace

MemoryPrice memory_price(const Plan& plan, const StepSample& sample, const LayoutRows& rows, const TaskSpans& spans) {
  const SampleMemory memory(plan, sample, rows);
  const bool lanes_lag = plan.layout.zero > 1 || plan.expert_storage.home != Tier::device;
  const Parts residents = memory.residents(Tier::device);
  const Parts moments = lanes_lag ? Parts() : memory.highest_in_program_order();
  const PeaksInTime peaks = lanes_lag ? memory.peaks_in_time(spans) : PeaksInTime();
  MemoryPrice price;
  for (int number = 0; number < plan.layout.pp; ++number) {
    const Stage stage(plan, sample.classes(), number);
    const double kept = stage.kept(memory);
    const double highest = lanes_lag ? peaks.highest(kept) : stage.highest(moments, memory);
    price.device = std::max(
        price.device, whole(memory.inputs() + stage.residents(residents) + (stage.in_flight() - 1) * kept + highest));
  }
  const Stage all(plan, sample.classes(), 0);  // what lives in lower tiers knows no pipeline
  price.host = whole(all.residents(memory.residents(Tier::host)));
  price.storage = whole(all.residents(memory.residents(Tier::storage)));
  return price;
}

}  // namespace moesaic::planner
