#pragma once
// A step of few layers and one microbatch that stands for all steps with the same structure: what each layer class
// computes, sends and keeps, as forms of the sizes that a layout gives. It is lowered like any plan, so that nothing is
// said twice; it holds no prices.

#include <array>
#include <string>
#include <vector>

#include "core/graph/task_graph.h"
#include "planner/prices/layer_classes.h"
#include "planner/prices/size_form.h"

namespace moesaic::planner {

/// Rows of one rank in one MoE layer, by what they stand for: [Rows].
using RankRows = std::array<double, static_cast<size_t>(Rows::used_slots) + 1>;

/// Bytes as a form of sizes, and of the rows that routing gives to a rank.
struct MemoryForm {
  SizeForm fixed;
  RankRows per_row{};

  double at(const SizeTerms& terms, const RankRows& rows) const;
  /// Whether it is never more than another, whatever sizes and rows.
  bool is_at_most(const MemoryForm& other) const;
  MemoryForm& operator+=(const MemoryForm& other);
  MemoryForm operator-(const MemoryForm& other) const;
  bool operator==(const MemoryForm&) const = default;
};

/// Where in a step a task or tensor belongs.
enum class Place : uint8_t { before, layer, behind };  // embedding; a layer; head and loss

/// When a task runs: in the passes of a microbatch, or once behind them.
enum class Part : uint8_t { forward, backward, reduction, update };

struct SampleTask {
  TaskIndex index;  // in the graph
  Part part = Part::forward;
  Place place = Place::before;
  Lane lane = Lane::compute;
  bool goes_in_pieces = false;  // routing decides its rows, and it can run on some of them before others have come
  int layer = -1;               // of the sample
  SizeForm number;              // rows of a computation, bytes of a collective, where routing does not give them
  std::vector<int> after;       // earlier tasks of the sample that must end before it
  std::vector<int> awaited;     // of these the last ones of other lanes: a lane runs in program order
};

/// What a task makes when it starts, or releases (below 0) when it ends.
struct MemoryChange {
  int task = 0;
  bool at_end = false;
  bool of_later_microbatches = false;  // comes when gradients of several microbatches are added up
  int form = 0;                        // of its bytes
};

/// Live bytes while a task runs, without what earlier layers keep for their backward pass.
struct Moment {
  Place place = Place::before;
  int layer = -1;  // of the sample
  MemoryForm bytes;
  bool of_later_microbatches = false;
};

/// When the tasks of a sample run: [tasks]; updates behind all others, in program order.
struct TaskSpans {
  std::vector<Seconds> start, end;
};

class StepSample {
 public:
  /// Of a legal plan without elastic shares; its sizes do not matter, so that plans with the same structure_key() have
  /// the same sample.
  explicit StepSample(const Plan& plan);

  const TaskGraph& graph() const { return graph_; }
  const LayerClasses& classes() const { return classes_; }    // of the whole model
  const std::vector<int>& layers() const { return layers_; }  // of the model, in the sample
  int class_of(int sample_layer) const {
    return classes_.of_layer[static_cast<size_t>(layers_[static_cast<size_t>(sample_layer)])];
  }
  /// That stand for all of a class.
  int layers_of_class(int of_class) const { return layers_of_class_[static_cast<size_t>(of_class)]; }
  const std::vector<SampleTask>& tasks() const { return tasks_; }  // in program order

  /// What lives through the step, by tier: before, behind, and in one layer of each class.
  struct Residents {
    MemoryForm before, behind, of_microbatch;
    std::vector<MemoryForm> of_class;
  };
  const Residents& residents(Tier tier) const { return residents_[static_cast<size_t>(tier)]; }
  /// What one microbatch keeps between its passes: before the layers, and in one layer of each class.
  const MemoryForm& kept_before() const { return kept_before_; }
  const std::vector<MemoryForm>& kept() const { return kept_; }
  /// Where tasks run in program order: those that may be the highest of their place.
  const std::vector<Moment>& moments() const { return moments_; }
  /// Of the tasks of a lane, in program order.
  const std::vector<MemoryChange>& changes(Lane lane) const { return changes_[static_cast<size_t>(lane)]; }
  const std::vector<MemoryForm>& forms_of_changes() const { return forms_; }

 private:
  class Maker;

  TaskGraph graph_;
  LayerClasses classes_;
  std::vector<int> layers_;
  std::vector<int> layers_of_class_;  // [classes]
  std::vector<SampleTask> tasks_;
  std::array<Residents, 3> residents_;  // [Tier]
  MemoryForm kept_before_;
  std::vector<MemoryForm> kept_;  // [classes]
  std::vector<Moment> moments_;
  std::array<std::vector<MemoryChange>, kNumLanes> changes_;  // [Lane]
  std::vector<MemoryForm> forms_;                             // all different
};

}  // namespace moesaic::planner
