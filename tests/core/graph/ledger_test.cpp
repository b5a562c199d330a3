#include "core/graph/ledger.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::find_task;
using testing::named;

void erase_alone(TaskGraph& graph, const std::string& label) {
  graph.tasks.erase(graph.tasks.begin() + find_task(graph, label).value());
}

TaskGraph two_chunks() {
  Plan plan = testing::tiny_plan(2, 2);
  plan.dispatch.chunks = 2;
  check_plan(plan, "test");
  return lower(plan);
}

/// What is said of a pass "damage" that does this to a graph of two chunks; "" when it balances.
std::string complaint(const std::function<void(TaskGraph&)>& damage, const PassLicence& licence = {}) {
  TaskGraph graph = two_chunks();
  const Ledger before(graph);
  damage(graph);
  try {
    before.check_conserved_by("damage", Ledger(graph), licence);
  } catch (const InvariantError& error) {
    return error.what();
  }
  return "";
}

void expect_complaint(const std::string& expected, const std::function<void(TaskGraph&)>& damage,
                      const PassLicence& licence = {}) {
  EXPECT_NE(complaint(damage, licence).find(expected), std::string::npos) << expected << "\n"
                                                                          << complaint(damage, licence);
}

TEST(Ledger, BalancesWithItself) {
  EXPECT_EQ(complaint([](TaskGraph&) {}), "");
}

TEST(Ledger, NamesWorkThatIsLost) {
  expect_complaint("damage loses experts_dgrad of layer 0, microbatch 0, backward",
                   [](TaskGraph& g) { erase_alone(g, "layer 0 / backward / experts dgrad / chunk 1"); });
  expect_complaint("damage loses linear outside the layers, microbatch 0, forward",
                   [](TaskGraph& g) { --named(g, "forward / head").fixed_rows; });
  expect_complaint("damage loses rows that leave experts of layer 0, microbatch 0, forward",
                   [](TaskGraph& g) { erase_alone(g, "layer 0 / forward / combine / chunk 0"); });
}

TEST(Ledger, NamesWorkThatIsMadeUp) {
  // A whole task does as much as both chunks.
  expect_complaint("damage makes up experts of layer 0, microbatch 0, forward",
                   [](TaskGraph& g) { named(g, "layer 0 / forward / experts / chunk 1").num_chunks = 1; });
  expect_complaint("damage makes up rows that leave their rank of layer 0, microbatch 0, backward", [](TaskGraph& g) {
    named(g, "layer 0 / backward / combine gradient / chunk 0").bytes_per_row *= 2;
  });
}

/// What the second run of a forward task in backward adds, `times` over.
std::function<void(TaskGraph&)> run_again(const std::string& label, Phase phase, int times) {
  return [=](TaskGraph& g) {
    Task again = named(g, label);
    again.phase = phase;
    g.tasks.insert(g.tasks.end(), static_cast<size_t>(times), again);
  };
}

TEST(Ledger, APassMayRepeatForwardWorkInBackwardOnce) {
  const PassLicence licence{.repeats_forward = true};
  EXPECT_EQ(complaint(run_again("layer 0 / forward / qkv", Phase::backward, 1), licence), "");
  expect_complaint("damage makes up linear of layer 0", run_again("layer 0 / forward / qkv", Phase::backward, 1));
  // qkv is 24 of the 32 columns that the layer's linear tasks have: a second time is more than forward did.
  expect_complaint("damage makes up linear of layer 0, microbatch 0, backward",
                   run_again("layer 0 / forward / qkv", Phase::backward, 2), licence);
  expect_complaint("damage makes up linear of layer 0, microbatch 0, forward",
                   run_again("layer 0 / forward / qkv", Phase::forward, 1), licence);
  expect_complaint("damage makes up linear_wgrad of layer 0, microbatch 0, backward",
                   run_again("layer 0 / backward / qkv wgrad", Phase::backward, 1), licence);
}

TEST(Ledger, NamesParametersThatChange) {
  for (const auto& damage : std::vector<std::function<void(Parameter&)>>{
           [](Parameter& p) { --p.elements; }, [](Parameter& p) { p.replicas = p.partition = 0; }})
    expect_complaint("damage changes the elements of 'final_norm' or how many ranks hold them", [=](TaskGraph& g) {
      for (Parameter& parameter : g.parameters)
        if (parameter.name == "final_norm") damage(parameter);
    });
  expect_complaint("damage changes the number of parameters", [](TaskGraph& g) { g.parameters.pop_back(); });
}

}  // namespace
}  // namespace moesaic
