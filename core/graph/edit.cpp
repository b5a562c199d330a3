#include "core/graph/edit.h"

#include <iterator>

namespace moesaic {

void GraphEdit::replace(TaskIndex place, std::vector<Task> by) {
  remove(place);
  for (Task& task : by) before(place, std::move(task));
}

void GraphEdit::apply(const std::function<void(TaskIndex, Task&)>& rewrite) {
  OfTasks<Task> tasks;
  tasks.reserve(graph_.tasks.size());
  const auto take = [&](std::vector<Task>& noted) {
    tasks.insert(tasks.end(), std::make_move_iterator(noted.begin()), std::make_move_iterator(noted.end()));
  };
  for (size_t i = 0; i < places_.size(); ++i) {
    take(places_[i].before);
    if (!places_[i].removed) {
      tasks.push_back(std::move(graph_.tasks[i]));
      if (rewrite) rewrite(TaskIndex(i), tasks.back());
    }
    take(places_[i].behind);
  }
  graph_.tasks = std::move(tasks);
  places_.assign(graph_.tasks.size(), {});
}

}  // namespace moesaic
