// Of sums of gradients alone.
#include "tests/core/graph/damaged_plans.h"

namespace moesaic {
namespace {

using testing::cut;
using testing::divided;
using testing::erase;
using testing::expect_complaints;
using testing::named;
using testing::offloaded;
using testing::partitioned;
using testing::plain;
using testing::repeat;
using testing::tensor_named;

TEST(Verify, RefusesGradientsThatAreNotSummedOnce) {
  const std::string reduce = "backward / reduce final_norm";
  expect_complaints(
      plain(),
      {{"task 'update / adamw final_norm': 'final_norm.gradient' is not summed over its ranks once",
        [=](TaskGraph& g) { erase(g, reduce); }},
       {"task 'update / adamw final_norm': 'final_norm.gradient' is not summed over its ranks once",
        [=](TaskGraph& g) { named(g, reduce).communicator = g.find_communicator("node"); }},
       {"task 'backward / reduce final_norm, again': sums 'final_norm.gradient' a second time",
        [=](TaskGraph& g) { repeat(g, reduce); }},
       {"task 'backward / embed, again': adds to 'embedding.gradient' behind its reduction",
        [=](TaskGraph& g) {
          repeat(g, "backward / embed");
          std::swap(named(g, "backward / embed, again"), named(g, "backward / reduce embedding"));
        }},
       {"tensor 'loss': is not summed over all ranks once", [](TaskGraph& g) { erase(g, "update / sum losses"); }}});
  expect_complaints(
      cut(), {{"task 'backward / reduce world bucket 0': sums 'gradient bucket 0' before all of it has been added",
               [](TaskGraph& g) { erase(g, "layer 0 / backward / qkv wgrad"); }}});
  expect_complaints(
      divided(2),
      {{"task 'microbatch 0 / backward / final_norm': adds to all of 'group 1 gradients.0', in which single "
        "gradients lie",
        [](TaskGraph& g) {
          named(g, "microbatch 0 / backward / final_norm").writes[1] =
              named(g, "microbatch 0 / backward / reduce group 1").reads[0];
        }},
       {"task 'microbatch 0 / backward / reduce group 1, again': sums 'group 1 gradients.0' a second time",
        [](TaskGraph& g) { repeat(g, "microbatch 0 / backward / reduce group 1"); }},
       {"task 'microbatch 1 / backward / clear gradients of group 1, again': clears 'group 1 gradients.1' a "
        "second time",
        [](TaskGraph& g) {
          repeat(g, "microbatch 1 / backward / clear gradients of group 1");
          Task& again = named(g, "microbatch 1 / backward / clear gradients of group 1, again");
          again.reads = again.writes;  // in place
        }},
       {"task 'microbatch 1 / backward / reduce group 1': overwrites the sum in 'group 1 gradients share'",
        [](TaskGraph& g) {
          erase(g, "microbatch 1 / backward / reduce group 1 / accumulate");
          named(g, "microbatch 1 / backward / reduce group 1").writes =
              named(g, "microbatch 0 / backward / reduce group 1").writes;
        }},
       {"tensor 'group 1 summand.1': holds gradients that no update uses",
        [](TaskGraph& g) { erase(g, "microbatch 1 / backward / reduce group 1 / accumulate"); }}});
  expect_complaints(
      offloaded(),
      {{"task 'layer 0 / backward / drain expert gradients': 'layers.0.experts.down.gradient.used.0' is not summed "
        "over "
        "its ranks once",
        [](TaskGraph& g) { erase(g, "layer 0 / backward / reduce layers.0.experts.down"); }},
       {"task 'layer 0 / backward / experts wgrad': adds to 'layers.0.experts.up.gradient.used.0', which nobody has "
        "cleared",
        [](TaskGraph& g) { erase(g, "layer 0 / backward / clear layers.0.experts.up gradient"); }},
       {"tensor 'layers.0.experts.up.gradient.used.0': holds gradients that no update uses", [](TaskGraph& g) {
          erase(g, "layer 0 / backward / drain expert gradients");
          named(g, "layer 0 / update / check gradients of experts").reads = {};
          named(g, "layer 0 / update / update experts").reads = {};
          for (Task& task : g.tasks) task.after = {};
        }}});
}

TEST(Verify, RefusesCopiesOfGradientsThatAreLostOrDoubled) {
  const std::string copy = "update / gradients of adamw final_norm";
  Plan plan = plain();
  plan.optimizer_passes = OptimizerPasses::separate;
  expect_complaints(plan,
                    {{"task 'update / adamw final_norm': reads 'final_norm.gradient copy' before it is written",
                      [=](TaskGraph& g) { erase(g, copy); }},
                     {"task 'update / gradients of adamw final_norm': has not a copy of every gradient",
                      [=](TaskGraph& g) { named(g, copy).reads.push_back(named(g, copy).reads[0]); }},
                     {"task 'update / adamw final_norm': 'final_norm.gradient copy' is not summed over its ranks once",
                      [=](TaskGraph& g) { erase(g, "backward / reduce final_norm"); }}});
}

// Of a table in columns that the head is tied to.
TEST(Verify, RefusesAGradientOfTheHeadThatIsLostOrDoubled) {
  const std::string wgrad = "backward / head wgrad", add = "backward / embed / add head";
  expect_complaints(
      partitioned(),
      {{"tensor 'd_columns of the head.0': holds gradients that no update uses", [=](TaskGraph& g) { erase(g, add); }},
       {"task 'backward / embed / add head, again': adds gradients that are not summed over ranks",
        [=](TaskGraph& g) { repeat(g, add); }},
       {"task 'backward / embed / add head': adds gradients that are not summed over ranks",
        [=](TaskGraph& g) { named(g, wgrad + " / reduce columns").communicator = g.find_communicator("node"); }},
       {"task 'backward / head wgrad / split columns': moves 'd_table.0' before all of it has been added",
        [=](TaskGraph& g) { erase(g, wgrad); }},
       {"task 'backward / head wgrad': adds to 'd_table.0', which nobody has cleared",
        [=](TaskGraph& g) { erase(g, wgrad + " / clear gradient"); }},
       {"task 'backward / embed / add head': adds gradients that are not summed over ranks",
        [=](TaskGraph& g) { named(g, wgrad + " / split columns").reads = {named(g, "forward / head").reads[1]}; }},
       {"task 'forward / head / gather table': sends other bytes than it reads",
        [](TaskGraph& g) { named(g, "forward / head / gather table").bytes = 4; }},
       {"task 'forward / head / gather table': does not fill 'columns of the table.0'",
        [](TaskGraph& g) { tensor_named(g, "columns of the table.0").fixed_rows = 16; }}});
}

}  // namespace
}  // namespace moesaic
