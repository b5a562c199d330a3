#include "core/graph/verify.h"

#include "core/graph/ledger.h"
#include "tests/core/graph/damaged_plans.h"

namespace moesaic {
namespace {

using testing::complaint;
using testing::cut;
using testing::divided;
using testing::drop_dependencies;
using testing::erase;
using testing::expect_complaints;
using testing::named;
using testing::offloaded;
using testing::once_per_node;
using testing::partitioned;
using testing::pipelined;
using testing::plain;
using testing::repeat;
using testing::replicated;
using testing::stored;
using testing::tensor_named;
using testing::tensor_parallel;

TEST(Verify, RefusesTasksThatCannotRun) {
  expect_complaints(
      plain(),
      {{"task 'layer 0 / forward / norm1': reads 'embedded' before it is written",
        [](TaskGraph& g) { erase(g, "forward / embed"); }},
       {"task 'layer 0 / forward / attention residual, again': writes over 'layers.0.attention_sum' of 'layer 0 / "
        "forward / attention residual'",
        [](TaskGraph& g) { repeat(g, "layer 0 / forward / attention residual"); }},
       {"task 'forward / head': uses a tensor that does not exist",
        [](TaskGraph& g) { named(g, "forward / head").reads[0] = 1 << 20; }},
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
       {"task 'forward / head': all but ring collectives have no fixed bytes",
        [](TaskGraph& g) { named(g, "forward / head").bytes = 4; }},
       {"task 'forward / head': all but all-to-alls and reductions of windows have no bytes per row",
        [](TaskGraph& g) { named(g, "forward / head").bytes_per_row = 4; }},
       {"task 'layer 0 / forward / dispatch regroup': regroupings and only they have an order",
        [](TaskGraph& g) { named(g, "layer 0 / forward / dispatch regroup").regroup = Regroup::none; }},
       {"task 'update / sum losses': collectives and only they run on the network lane",
        [](TaskGraph& g) { named(g, "update / sum losses").lane = Lane::compute; }},
       {"task 'forward / embed': depends on a later task", [](TaskGraph& g) { g.tasks[0].dependencies = {0}; }}});
}

TEST(Verify, RefusesLostRows) {
  const std::string inside = "layer 0 / forward / dispatch / chunk 1 / inside the node",
                    order = "layer 0 / forward / dispatch / chunk 1 / order by node";
  expect_complaints(
      cut(),
      {{"task 'layer 0 / forward / dispatch / chunk 1 / inside the node': 'layers.0.dispatch.arrived.chunk1.order by "
        "local rank' or 'layers.0.dispatch.arrived.chunk1.relayed' has not the rows of its leg",
        [=](TaskGraph& g) {
          named(g, inside).leg = Leg::dispatch;
          named(g, inside).communicator = g.find_communicator("ep");
        }},
       {"task 'layer 0 / forward / dispatch / chunk 1 / inside the node': ranks of its leg do not meet in family "
        "'rail'",
        [=](TaskGraph& g) { named(g, inside).communicator = g.find_communicator("rail"); }},
       {"task 'layer 0 / forward / experts / chunk 0': has other rows than all that it uses",
        [](TaskGraph& g) { named(g, "layer 0 / forward / experts / chunk 0").rows = Rows::sent; }},
       {"task 'layer 0 / forward / dispatch / chunk 1 / inside the node': rows of 'layers.0.dispatch.arrived.chunk1."
        "order by local rank' arrive as others",
        [](TaskGraph& g) { tensor_named(g, "layers.0.dispatch.arrived.chunk1.relayed").row_elements = 7; }},
       {"task 'layer 0 / forward / dispatch / chunk 1 / order by node': rows of 'layers.0.dispatch.arrived.chunk1."
        "relayed' change",
        [](TaskGraph& g) {
          tensor_named(g, "layers.0.dispatch.arrived.chunk1.order by node").dtype = DType::bf16;
          tensor_named(g, "layers.0.dispatch.arrived.chunk1").dtype = DType::bf16;
        }},
       {"task 'layer 0 / forward / dispatch / chunk 1 / order by node': 'layers.0.dispatch.arrived.chunk1.relayed' or "
        "'layers.0.dispatch.arrived.chunk1.order by node' has not the rows of its order",
        [=](TaskGraph& g) { named(g, order).regroup = Regroup::to_slots; }},
       {"task 'layer 0 / forward / experts / chunk 0': uses 'layers.0.dispatch.grouped.chunk0' of another MoE layer or "
        "microbatch",
        [](TaskGraph& g) { named(g, "layer 0 / forward / experts / chunk 0").microbatch = 1; }},
       {"task 'layer 0 / forward / experts / chunk 1': uses 'layers.0.dispatch.grouped.chunk0' of another chunk",
        [](TaskGraph& g) {
          named(g, "layer 0 / forward / experts / chunk 1").reads[0] =
              named(g, "layer 0 / forward / experts / chunk 0").reads[0];
        }},
       {"task 'layer 0 / backward / experts wgrad': uses some chunks and not others",
        [](TaskGraph& g) { named(g, "layer 0 / backward / experts wgrad").reads.resize(5); }},
       {"task 'layer 0 / forward / permute / chunk 1': its siblings do not cover every chunk equally often",
        [](TaskGraph& g) { named(g, "layer 0 / forward / permute / chunk 0").phase = Phase::backward; }}});
}

TEST(Verify, RefusesRowsThatNobodyRepeats) {
  expect_complaints(
      once_per_node(),
      {{"task 'layer 0 / forward / permute': does not say which rows those of choices repeat",
        [](TaskGraph& g) { tensor_named(g, "layers.0.send.places").dtype = DType::f32; }},
       {"task 'layer 0 / forward / dispatch / repeat for choices': does not say which rows those of choices repeat",
        [](TaskGraph& g) { named(g, "layer 0 / forward / dispatch / repeat for choices").reads.pop_back(); }},
       {"task 'layer 0 / forward / dispatch / repeat for choices': 'layers.0.dispatch.arrived.once' or "
        "'layers.0.dispatch.arrived.repeat for choices' has not the rows of its order",
        [](TaskGraph& g) {
          named(g, "layer 0 / forward / dispatch / repeat for choices").regroup = Regroup::from_rails;
        }},
       {"task 'layer 0 / forward / dispatch / between nodes': 'layers.0.send' or 'layers.0.dispatch.arrived.once' has "
        "not the rows of its leg",
        [](TaskGraph& g) { named(g, "layer 0 / forward / dispatch / between nodes").leg = Leg::inter_out; }}});
}

// 8 tokens of each of 2 ranks, in 4 of 8 columns: 16 rows are joined into 8.
TEST(Verify, RefusesLostColumns) {
  expect_complaints(
      partitioned(),
      {{"task 'forward / embed / join columns': 'embedded' holds not what 'columns of own tokens.0' holds",
        [](TaskGraph& g) { tensor_named(g, "embedded").fixed_rows = 7; }},
       {"task 'forward / embed / exchange columns': other rows arrive than 'columns of all tokens.0' holds",
        [](TaskGraph& g) { tensor_named(g, "columns of own tokens.0").fixed_rows = 8; }},
       {"task 'forward / embed / exchange columns': sends other rows than 'columns of all tokens.0' holds",
        [](TaskGraph& g) { named(g, "forward / embed / exchange columns").fixed_rows = 7; }},
       {"task 'forward / embed / exchange columns': counts other bytes than a row of 'columns of all tokens.0' has",
        [](TaskGraph& g) { named(g, "forward / embed / exchange columns").bytes_per_row = 32; }}});
}

TEST(Verify, RefusesBytesThatTensorsDoNotHold) {
  expect_complaints(tensor_parallel(),
                    {{"task 'layer 0 / forward / gather norm1': sends other bytes than it reads",
                      [](TaskGraph& g) { named(g, "layer 0 / forward / gather norm1").bytes = 4; }},
                     {"task 'layer 0 / forward / gather norm1': does not fill 'layers.0.norm1.gathered'",
                      [](TaskGraph& g) { tensor_named(g, "layers.0.norm1.gathered").fixed_rows = 8; }},
                     {"task 'layer 0 / forward / sum out': leaves other bytes than 'layers.0.out.summed' holds",
                      [](TaskGraph& g) { named(g, "layer 0 / forward / sum out").bytes = 4; }},
                     {"task 'layer 0 / forward / sum out': does not sum all of 'layers.0.out.out'",
                      [](TaskGraph& g) { tensor_named(g, "layers.0.out.out").fixed_rows = 8; }},
                     {"task 'forward / head': 'embedding' has not the elements of its shape",
                      [](TaskGraph& g) { named(g, "forward / head").shape.n = 8; }},
                     {"task 'layer 0 / forward / attention residual': has not the elements of 'embedded'",
                      [](TaskGraph& g) { --named(g, "layer 0 / forward / attention residual").fixed_rows; }},
                     {"task 'backward / reduce embedding': does not leave the sum where it read "
                      "'embedding.gradient'",
                      [](TaskGraph& g) {
                        named(g, "backward / reduce embedding").writes =
                            named(g, "backward / reduce layers.0.norm1").writes;
                      }},
                     {"task 'backward / reduce embedding': sums other bytes than 'embedding.gradient' holds",
                      [](TaskGraph& g) { named(g, "backward / reduce embedding").bytes -= 4; }}});
  expect_complaints(cut(), {{"task 'backward / reduce world bucket 0': sums other bytes than 'gradient bucket 0' holds",
                             [](TaskGraph& g) { named(g, "backward / reduce world bucket 0").bytes += 4; }},
                            {"tensor 'embedding.gradient': reaches over the end of 'gradient bucket 0'",
                             [](TaskGraph& g) { tensor_named(g, "embedding.gradient").view_offset += 16; }},
                            {"tensor 'embedding.gradient': is not of the kind of 'gradient bucket 0', in which it lies",
                             [](TaskGraph& g) { tensor_named(g, "gradient bucket 0").dtype = DType::bf16; }}});
}

TEST(Verify, RefusesAnUpdateThatIsMissingOrDone) {
  expect_complaints(
      plain(),
      {{"parameter 'final_norm': is updated 0 times in a step",
        [](TaskGraph& g) { erase(g, "update / adamw final_norm"); }},
       {"parameter 'final_norm': is updated 2 times in a step",
        [](TaskGraph& g) { repeat(g, "update / adamw final_norm"); }},
       {"task 'update / adamw final_norm': updates other elements than it has",
        [](TaskGraph& g) { named(g, "update / adamw final_norm").fixed_rows = 15; }},
       {"task 'update / adamw final_norm': has another gradient or moments than 'final_norm'",
        [](TaskGraph& g) { named(g, "update / adamw final_norm").reads = named(g, "update / adamw embedding").reads; }},
       {"task 'update / adamw final_norm': clears another gradient than it read", [](TaskGraph& g) {
          named(g, "update / adamw final_norm").writes[2] = named(g, "update / adamw embedding").reads[0];
        }}});
  expect_complaints(offloaded(), {{"parameter 'layers.0.experts.up': is updated 0 times in a step",
                                   [](TaskGraph& g) { erase(g, "layer 0 / update / update experts"); }}});
  expect_complaints(divided(2), {{"tensor 'group 1 weights share': is not gathered once behind its update",
                                  [](TaskGraph& g) { erase(g, "update / gather group 1"); }},
                                 {"tensor 'group 1 weights share': shares of all members do not cover the group",
                                  [](TaskGraph& g) { g.groups[1].elements += 32; }},
                                 {"parameter 'layers.0.experts.up': is in several groups, or in one of other ranks",
                                  [](TaskGraph& g) {
                                    g.groups[1].parameters.push_back(g.groups[0].parameters[0]);
                                    g.groups[1].offsets.push_back(g.groups[1].elements);
                                  }}});
  expect_complaints(stored(), {{"parameter 'layers.0.experts.up': lives on storage and is not stored once behind its "
                                "update",
                                [](TaskGraph& g) { erase(g, "layer 0 / update / store experts"); }}});
}

TEST(Verify, RefusesMemoryThatNobodyCounts) {
  expect_complaints(plain(),
                    {{"tensor 'tokens.0': lives from step to step, and its size is unknown",
                      [](TaskGraph& g) { tensor_named(g, "tokens.0").rows = Rows::received; }},
                     {"tensor 'logits': comes and goes outside the device, where nothing counts it",
                      [](TaskGraph& g) { tensor_named(g, "logits").tier = Tier::host; }},
                     {"tensor 'layers.0.experts.up.moments': routing cannot say how many rows it has",
                      [](TaskGraph& g) {
                        Tensor& moments = tensor_named(g, "layers.0.experts.up.moments");
                        g.tensors.push_back(moments);
                        g.tensors.back().kind = TensorKind::activation;
                        g.tensors.back().rows = Rows::sent;
                      }},
                     {"parameter 'final_norm': no memory is counted for its weights",
                      [](TaskGraph& g) { tensor_named(g, "final_norm").kind = TensorKind::input; }},
                     {"parameter 'final_norm': no memory is counted for its moments",
                      [](TaskGraph& g) { tensor_named(g, "final_norm.moments").kind = TensorKind::input; }},
                     {"task 'layer 0 / forward / exchange counts': nobody uses 'layers.0.counts'", [](TaskGraph& g) {
                        for (Task& task : g.tasks)
                          for (TensorId& read : task.reads)
                            if (g.tensors[read].name == "layers.0.counts")
                              read = named(g, "layer 0 / forward / router").writes[2];
                      }}});
  // 2 slots of 8 * 16 elements each for up and down: 512, of weights and both moments.
  EXPECT_NE(complaint(offloaded(), [](TaskGraph& g) { tensor_named(g, "layers.0.experts states").row_elements = 512; })
                .find("after damage: no memory is counted for 1024 elements of expert states and 0 of their gradients"),
            std::string::npos);
}

/// True where verify() or the ledger refuses the graph.
bool is_refused(const TaskGraph& graph, const Ledger& before) {
  try {
    verify(graph, "damage");
    before.check_conserved_by("damage", Ledger(graph), {});
    return false;
  } catch (const InvariantError&) {
    return true;
  }
}

// Of every technique's graph, no task may go, none may come twice.
TEST(Verify, MissesNoTask) {
  for (const Plan& plan : {plain(), cut(), divided(1), divided(2), divided(3), offloaded(), stored(), partitioned(),
                           tensor_parallel(), pipelined(), replicated(0), replicated(2)}) {
    check_plan(plan, "test");
    TaskGraph graph = lower(plan);
    drop_dependencies(graph);
    const Ledger before(graph);
    ASSERT_FALSE(is_refused(graph, before));
    for (const Task& task : graph.tasks) {
      TaskGraph without = graph, twice = graph;
      erase(without, task.label);
      repeat(twice, task.label);
      EXPECT_TRUE(is_refused(without, before)) << "without " << task.label;
      EXPECT_TRUE(is_refused(twice, before)) << "twice " << task.label;
    }
  }
}

}  // namespace
}  // namespace moesaic
