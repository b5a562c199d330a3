#pragma once
// Changes of a graph's tasks, noted by place and made at once: a technique says what goes where, and rebuilds no list.

#include <functional>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

class GraphEdit {
 public:
  /// All places are those of `graph` as it is now; until apply() it stays as it is.
  explicit GraphEdit(TaskGraph& graph) : graph_(graph), places_(graph.tasks.size()) {}

  /// Of several at one place the one that was noted first stands first.
  void before(TaskIndex place, Task task) { at(place).before.push_back(std::move(task)); }
  void behind(TaskIndex place, Task task) { at(place).behind.push_back(std::move(task)); }
  void remove(TaskIndex place) { at(place).removed = true; }
  void replace(TaskIndex place, std::vector<Task> by);

  /// Makes the changes; `rewrite` sees each task that stays, with its place before.
  void apply(const std::function<void(TaskIndex, Task&)>& rewrite = {});

 private:
  struct Place {
    std::vector<Task> before, behind;
    bool removed = false;
  };
  Place& at(TaskIndex place) { return places_[place]; }

  TaskGraph& graph_;
  OfTasks<Place> places_;
};

}  // namespace moesaic
