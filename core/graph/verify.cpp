#include "core/graph/verify.h"

#include "core/graph/verify_rules.h"

namespace moesaic {
namespace rules {

int64_t members_of(const TaskGraph& graph, int communicator, int stage) {
  const int rank = stage < 0 ? 0 : stage * (graph.num_ranks / graph.num_stages);
  return static_cast<int64_t>(graph.group(communicator, rank).size());
}

Subject::Subject(const TaskGraph& of, const std::string& pass)
    : graph(of),
      after(pass),
      ep_is_one(of.find_communicator("ep") >= 0 && members_of(of, of.find_communicator("ep"), -1) == 1),
      routed(of.tensors.size()) {
  for (size_t i = 0; i < routed.size(); ++i) routed[i] = graph.tensors[i].rows > Rows::local;
}

int64_t fixed_elements(const Tensor& tensor) {
  return tensor.rows == Rows::fixed ? tensor.fixed_rows * tensor.row_elements : -1;
}

}  // namespace rules

void verify(const TaskGraph& graph, const std::string& after) {
  using namespace rules;
  const Subject subject(graph, after);
  views_have_a_base(subject);
  constexpr void (*kOfTasks[])(const Subject&, const Task&) = {
      operands_exist,
      operators_have_their_fields,

      exchanges_meet_in_the_group_of_their_leg,
      exchanges_move_the_rows_of_their_leg,
      regroupings_keep_rows,
      rows_sent_once_have_places,
      routed_rows_stay_in_their_pass,
      tasks_have_the_rows_of_an_operand,
      tasks_use_their_own_chunk_or_all,

      products_have_the_weights_of_their_shape,
      exchanges_count_the_bytes_of_a_row,
      elementwise_tasks_cover_their_tensors,
      gathers_fill_their_tensor,
      scattered_sums_cover_their_tensor,
  };
  for (const Task& task : graph.tasks)
    for (const auto rule : kOfTasks) rule(subject, task);
  constexpr void (*kOfGraphs[])(const Subject&) = {
      labels_are_unique,
      tensors_are_defined_before_use,
      activations_are_written_once,
      activations_stay_in_their_stage,
      dependencies_point_backwards,

      chunks_are_complete,

      views_lie_inside_their_base,
      reductions_cover_their_tensor,

      groups_hold_their_parameters,
      parameters_are_updated_once,
      updated_experts_are_stored,
      updated_shares_are_gathered,
      gradients_are_summed_once,

      residents_have_known_sizes,
      activations_are_on_the_device,
      routing_can_bind_every_tensor,
      parameters_are_resident,
      expert_states_have_a_home,
      what_arrives_is_used,
  };
  for (const auto rule : kOfGraphs) rule(subject);
}

}  // namespace moesaic
