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

/// Bytes as a form of sizes, and of rows that routing gives to one rank in one layer: [Rows].
struct MemoryForm {
  static constexpr size_t kNumRows = static_cast<size_t>(Rows::used_slots) + 1;
  SizeForm fixed;
  std::array<double, kNumRows> per_row{};

  MemoryForm& operator+=(const MemoryForm& other);
  MemoryForm operator-(const MemoryForm& other) const;
};

/// Where in a step a task or tensor belongs.
enum class Place : uint8_t { before, layer, behind };  // embedding; a layer; head and loss

/// When a task runs: in the passes of a microbatch, or once behind them.
enum class Part : uint8_t { forward, backward, reduction, update };

struct SampleTask {
  TaskIndex index;  // in the graph
  Part part = Part::forward;
  Place place = Place::before;
  int layer = -1;          // of the sample
  SizeForm number;         // rows of a computation, bytes of a collective, where routing does not give them
  std::vector<int> after;  // earlier tasks of the sample that must end before it
};

/// Memory that tasks of the passes make and release.
struct SampleTensor {
  MemoryForm bytes;
  int created = 0, released = 0;  // when that task starts; when that one ends
};

/// Live bytes while a task runs, without what earlier layers keep for their backward pass.
struct Moment {
  Place place = Place::before;
  int layer = -1;  // of the sample
  MemoryForm bytes;
  bool of_later_microbatches = false;  // comes when gradients of several microbatches are added up
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
  /// Where tasks run in program order.
  const std::vector<Moment>& moments() const { return moments_; }
  const std::vector<SampleTensor>& tensors() const { return tensors_; }

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
  std::vector<SampleTensor> tensors_;
};

}  // namespace moesaic::planner
