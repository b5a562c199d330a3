#include "core/graph/verify.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/schema/error.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::find_task;

Task& named(TaskGraph& graph, const std::string& label) {
  return graph.tasks.at(static_cast<size_t>(find_task(graph, label)));
}

/// What verify() says about the two-rank step after `damage`; "" when it accepts.
std::string complaint(const std::function<void(TaskGraph&)>& damage) {
  TaskGraph graph = baseline_step(testing::tiny_plan(2, 2));
  link_dependencies(graph);
  damage(graph);
  try {
    verify(graph, "damage");
  } catch (const InvariantError& error) {
    return error.what();
  }
  return "";
}

TEST(Verify, AcceptsTheBaseline) {
  EXPECT_EQ(complaint([](TaskGraph&) {}), "");
}

TEST(Verify, RefusesAndNamesTheTask) {
  struct Case {
    const char* complaint;
    std::function<void(TaskGraph&)> damage;
  };
  const std::vector<Case> cases = {
      {"task 'layer 0 / forward / norm1': reads 'embedded' before it is written",
       [](TaskGraph& g) { g.tasks.erase(g.tasks.begin()); }},
      {"task 'forward / head': its label is not unique",
       [](TaskGraph& g) { named(g, "forward / cross entropy").label = "forward / head"; }},
      {"task 'layer 0 / forward / dispatch': collectives and only they have a communicator",
       [](TaskGraph& g) { named(g, "layer 0 / forward / dispatch").communicator = -1; }},
      {"task 'forward / head': collectives and only they have a communicator",
       [](TaskGraph& g) { named(g, "forward / head").communicator = 0; }},
      {"task 'layer 0 / forward / dispatch': all-to-alls and only they have a leg",
       [](TaskGraph& g) { named(g, "layer 0 / forward / dispatch").leg = Leg::none; }},
      {"task 'layer 0 / forward / dispatch': all-to-alls and only they have a leg",
       [](TaskGraph& g) { named(g, "layer 0 / forward / dispatch").bytes_per_row = 0; }},
      {"task 'layer 0 / forward / dispatch regroup': regroupings and only they have an order",
       [](TaskGraph& g) { named(g, "layer 0 / forward / dispatch regroup").regroup = Regroup::none; }},
      {"task 'update / sum losses': collectives and only they run on the network lane",
       [](TaskGraph& g) { named(g, "update / sum losses").lane = Lane::compute; }},
      {"task 'forward / embed': depends on a later task", [](TaskGraph& g) { g.tasks[0].dependencies = {0}; }},
  };
  for (const Case& c : cases)
    EXPECT_NE(complaint(c.damage).find("after damage, " + std::string(c.complaint)), std::string::npos)
        << c.complaint << "\n"
        << complaint(c.damage);
}

}  // namespace
}  // namespace moesaic
