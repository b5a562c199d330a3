#pragma once
// The rules that verify() lists, one function each. They throw InvariantError and name the task, tensor or parameter;
// all presume views_have_a_base(), operands_exist() and operators_have_their_fields(). Rules of single tasks have no
// loop of their own: a walk over all tasks costs more than what they do there.

#include <string>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic::rules {

/// Of the group of a family in which the ranks of a pipeline stage meet; stage -1: rank 0.
int64_t members_of(const TaskGraph& graph, int communicator, int stage);

/// The graph that a rule looks at, and how it names what is wrong.
struct Subject {
  Subject(const TaskGraph& of, const std::string& pass);

  const TaskGraph& graph;
  const std::string& after;  // the pass that has just run
  bool ep_is_one;            // an expert-parallel group is one rank
  OfTensors<char> routed;    // 1 where routing decides the rows; most tensors need no closer look

  std::string at(const Task& task) const { return "after " + after + ", task '" + task.label + "': "; }
  std::string at(const Tensor& tensor) const { return "after " + after + ", tensor '" + tensor.name + "': "; }
  std::string at(const Parameter& parameter) const {
    return "after " + after + ", parameter '" + parameter.name + "': ";
  }
  const Tensor& tensor(TensorId id) const { return graph.tensors[id]; }
  bool is_routed(TensorId id) const { return routed[id] != 0; }
  int64_t members(int communicator, int stage) const { return members_of(graph, communicator, stage); }
  bool trains() const { return graph.inputs.loss >= 0; }
};

/// Elements of a tensor whose size no routing and no uneven batch decides; else -1.
int64_t fixed_elements(const Tensor& tensor);

// verify_form.cpp: what a task is.
void views_have_a_base(const Subject& subject);
void operands_exist(const Subject& subject, const Task& task);
void labels_are_unique(const Subject& subject);
void operators_have_their_fields(const Subject& subject, const Task& task);
void tensors_are_defined_before_use(const Subject& subject);
void activations_are_written_once(const Subject& subject);
void activations_stay_in_their_stage(const Subject& subject);
void dependencies_point_backwards(const Subject& subject);

// verify_tokens.cpp: no row is lost or made up.
void exchanges_meet_in_the_group_of_their_leg(const Subject& subject, const Task& task);
void exchanges_move_the_rows_of_their_leg(const Subject& subject, const Task& task);
void regroupings_keep_rows(const Subject& subject, const Task& task);
void rows_sent_once_have_places(const Subject& subject, const Task& task);
void routed_rows_stay_in_their_pass(const Subject& subject, const Task& task);
void tasks_have_the_rows_of_an_operand(const Subject& subject, const Task& task);
void tasks_use_their_own_chunk_or_all(const Subject& subject, const Task& task);
void chunks_are_complete(const Subject& subject);

// verify_bytes.cpp: what is sent is what tensors hold.
void views_lie_inside_their_base(const Subject& subject);
void products_have_the_weights_of_their_shape(const Subject& subject, const Task& task);
void exchanges_count_the_bytes_of_a_row(const Subject& subject, const Task& task);
void elementwise_tasks_cover_their_tensors(const Subject& subject, const Task& task);
void gathers_fill_their_tensor(const Subject& subject, const Task& task);
void scattered_sums_cover_their_tensor(const Subject& subject, const Task& task);
void reductions_cover_their_tensor(const Subject& subject);

// verify_updates.cpp and verify_gradients.cpp: a training step updates everything once, from all gradients.
void groups_hold_their_parameters(const Subject& subject);
void parameters_are_updated_once(const Subject& subject);
void updated_experts_are_stored(const Subject& subject);
void updated_shares_are_gathered(const Subject& subject);
void gradients_are_summed_once(const Subject& subject);

// verify_memory.cpp: what liveness and resident bytes presume.
void residents_have_known_sizes(const Subject& subject);
void activations_are_on_the_device(const Subject& subject);
void routing_can_bind_every_tensor(const Subject& subject);
void parameters_are_resident(const Subject& subject);
void expert_states_have_a_home(const Subject& subject);
void what_arrives_is_used(const Subject& subject);

}  // namespace moesaic::rules
