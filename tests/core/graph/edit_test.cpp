#include "core/graph/edit.h"

#include <gtest/gtest.h>

#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::labels_of;
using Labels = std::vector<std::string>;

Task labelled(const std::string& label) {
  Task task;
  task.label = label;
  return task;
}

TaskGraph graph_of(const Labels& labels) {
  TaskGraph graph;
  for (const std::string& label : labels) graph.tasks.push_back(labelled(label));
  return graph;
}

TEST(GraphEdit, ChangesNothingUntilItIsApplied) {
  TaskGraph graph = graph_of({"a", "b", "c"});
  GraphEdit edit(graph);
  edit.before(0, labelled("before a, first"));
  edit.behind(2, labelled("behind c"));
  edit.before(0, labelled("before a, second"));
  edit.remove(1);
  EXPECT_EQ(labels_of(graph), (Labels{"a", "b", "c"}));
  edit.apply();
  EXPECT_EQ(labels_of(graph), (Labels{"before a, first", "before a, second", "a", "c", "behind c"}));
}

// What is put beside a task that goes stays; places are those before the edit.
TEST(GraphEdit, PutsInPlaceOfATask) {
  TaskGraph graph = graph_of({"a", "b", "c"});
  GraphEdit edit(graph);
  edit.replace(1, {labelled("b1"), labelled("b2")});
  edit.behind(1, labelled("behind b"));
  edit.before(2, labelled("before c"));
  edit.apply();
  EXPECT_EQ(labels_of(graph), (Labels{"a", "b1", "b2", "behind b", "before c", "c"}));
}

TEST(GraphEdit, ShowsTheTasksThatStay) {
  TaskGraph graph = graph_of({"a", "b", "c"});
  GraphEdit edit(graph);
  edit.before(0, labelled("new"));
  edit.remove(1);
  edit.apply([](TaskIndex place, Task& task) { task.label += std::to_string(place.value()); });
  EXPECT_EQ(labels_of(graph), (Labels{"new", "a0", "c2"}));
}

}  // namespace
}  // namespace moesaic
