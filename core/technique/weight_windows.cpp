#include "core/technique/weight_windows.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/collectives.h"

namespace moesaic {
namespace {

/// Sections [first, last] over which the gathered weights of a group live.
struct Window {
  size_t group = 0;
  int first = 0, last = 0;
};

class Gatherer {
 public:
  Gatherer(TaskGraph& graph, const std::vector<bool>& ignored, int layers_ahead)
      : graph_(graph), ignored_(ignored), ahead_(layers_ahead) {
    for (size_t group = 0; group < graph.groups.size(); ++group)
      for (int parameter : graph.groups[group].parameters) group_of_[graph.parameters[parameter].weight] = group;
  }

  void run() {
    number_sections();
    GraphEdit edit(graph_);
    for (const Window& window : windows()) {
      const int issued = std::max(0, window.first - ahead_);
      const TaskIndex at = first_task_[issued];
      edit.before(at, gather(window, graph_.tasks[at]));
    }
    edit.apply([this](TaskIndex place, Task& task) { use_views(section_of_[place], task); });
  }

 private:
  /// A section is a run of tasks of one microbatch, phase and layer.
  void number_sections() {
    std::tuple<int, Phase, int> current{-1, Phase::forward, -1};
    for (size_t i = 0; i < graph_.tasks.size(); ++i) {
      const Task& task = graph_.tasks[i];
      section_of_.push_back(-1);
      if (ignored_[i] || task.phase == Phase::update) continue;
      const std::tuple<int, Phase, int> key{task.microbatch, task.phase, task.layer};
      if (key != current) first_task_.push_back(TaskIndex(i));
      current = key;
      section_of_.back() = static_cast<int>(first_task_.size()) - 1;
    }
  }

  /// In the order in which they open; of those that open together, the lower group first.
  std::vector<Window> windows() const {
    std::map<size_t, std::vector<Window>> of_group;
    for (size_t i = 0; i < graph_.tasks.size(); ++i) {
      const int section = section_of_[i];
      if (section < 0) continue;
      for (TensorId read : graph_.tasks[i].reads) {
        const auto found = group_of_.find(read);
        if (found == group_of_.end()) continue;
        std::vector<Window>& known = of_group[found->second];
        if (!known.empty() && known.back().last >= section - 1)
          known.back().last = section;
        else
          known.push_back({found->second, section, section});
      }
    }
    std::vector<Window> all;
    for (const auto& [group, known] : of_group) all.insert(all.end(), known.begin(), known.end());
    std::stable_sort(all.begin(), all.end(), [](const Window& a, const Window& b) { return a.first < b.first; });
    return all;
  }

  /// The all-gather that opens a window, ahead of task `next`: not before what that task needs has been computed, or it
  /// would run further ahead than the plan says.
  Task gather(const Window& window, const Task& next) {
    const ParameterGroup& group = graph_.groups[window.group];
    const Task& user = graph_.tasks[first_task_[window.first]];
    Task task;
    task.label = user.label + " / gather group " + std::to_string(window.group);
    task.op = Op::all_gather;
    task.lane = Lane::network;
    task.phase = user.phase;
    task.layer = user.layer;
    task.microbatch = user.microbatch;
    task.communicator = group.communicator;
    const Tensor& share = graph_.tensors[group.weight_share];
    task.bytes = bytes_of(share.dtype, share.row_elements);
    task.reads = in_places({{operands::Collective::sent, group.weight_share}});
    task.writes = in_places({{operands::Collective::received, open(window, task.label)}});
    for (TensorId tensor : next.reads)
      if (graph_.tensors[tensor].kind == TensorKind::activation && !group_of_.contains(tensor))
        task.after.push_back(tensor);
    return task;
  }

  /// The stretch of a window and its views. Returns the stretch.
  TensorId open(const Window& window, const std::string& name) {
    const ParameterGroup& group = graph_.groups[window.group];
    const DType dtype = graph_.tensors[group.weight_share].dtype;
    const TensorId stretch = graph_.add({name, TensorKind::activation, dtype, Rows::fixed, 1, group.elements});
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const TensorId weight = graph_.parameters[group.parameters[i]].weight;
      Tensor view = graph_.tensors[weight];
      view.name = name + " / " + view.name;
      view.kind = TensorKind::activation;
      view.view_of = stretch;
      view.view_offset = group.offsets[i];
      const TensorId id = graph_.add(std::move(view));
      for (int section = window.first; section <= window.last; ++section) view_in_[{weight, section}] = id;
    }
    return stretch;
  }

  void use_views(int section, Task& task) const {
    if (section < 0) return;
    for (TensorId& operand : task.reads)
      if (const auto view = view_in_.find({operand, section}); view != view_in_.end()) operand = view->second;
  }

  TaskGraph& graph_;
  const std::vector<bool>& ignored_;
  const int ahead_;
  std::map<TensorId, size_t> group_of_;                   // weight -> group
  OfTasks<int> section_of_;                               // -1: none
  std::vector<TaskIndex> first_task_;                     // [sections]
  std::map<std::pair<TensorId, int>, TensorId> view_in_;  // (weight, section) -> view of the gathered stretch
};

}  // namespace

void gather_weights(TaskGraph& graph, const std::vector<bool>& ignored, int layers_ahead) {
  Gatherer(graph, ignored, layers_ahead).run();
}

}  // namespace moesaic
