// The embedding table cut by columns over data-parallel ranks (SE-MoE section 4.3): what travels is activations of the
// own tokens, forward and backward, instead of the gradient of the whole table.
#include <map>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/embedding.h"
#include "core/schema/error.h"
#include "core/technique/technique.h"
#include "core/technique/tied_head.h"

namespace moesaic {
namespace {

using operands::Embed, operands::EmbedBackward;

class EmbeddingPartition {
 public:
  explicit EmbeddingPartition(TaskGraph& graph) : graph_(graph), head_(graph, table_) {}

  void run() {
    cut_table();
    GraphEdit edit(graph_);
    for (size_t i = 0; i < graph_.tasks.size(); ++i) {
      const auto place = TaskIndex(i);
      Task& task = graph_.tasks[i];
      if (task.op == Op::embed)
        edit.replace(place, look_up(task));
      else if (task.op == Op::embed_backward)
        edit.replace(place, scatter(task));
      else if (task.op == Op::adamw && gradient_of(task) == parameter().gradient)
        task.fixed_rows = parameter().elements;
      else if (gradient_of(task) == parameter().gradient)
        edit.remove(place);
      else
        head_.rewrite(place, edit);
    }
    edit.apply();
  }

 private:
  Parameter& parameter() { return graph_.parameters[table_.parameter]; }
  Tensor& tensor(TensorId id) { return graph_.tensors[id]; }
  int64_t all_tokens() const { return graph_.num_ranks * graph_.tokens_per_rank; }

  void cut_table() {
    while (parameter().name != "embedding")
      MOESAIC_CHECK(++table_.parameter < graph_.parameters.size(), "a step without embedding");
    for (const Task& task : graph_.tasks)
      if (task.op == Op::embed) table_.hidden = task.shape.k;
    MOESAIC_CHECK(graph_.local_tokens.empty() && table_.hidden % graph_.num_ranks == 0,
                  "the plan has not been checked");
    table_.world = graph_.find_communicator("world");
    table_.width = table_.hidden / graph_.num_ranks;
    table_.vocabulary = parameter().elements / table_.hidden;
    parameter().elements /= graph_.num_ranks;
    for (TensorId state : {parameter().weight, parameter().gradient, parameter().moments})
      tensor(state).row_elements /= graph_.num_ranks;
    parameter().replicas = alone();
    parameter().partition = table_.world;
    parameter().shares = {
        {{"embedding", 0, table_.hidden, 0, table_.width, table_.width, table_.vocabulary}, table_.width}};
  }

  /// The family in which each rank is its own group.
  int alone() {
    CommunicatorFamily self{"self", {}, {}};
    for (int rank = 0; rank < graph_.num_ranks; ++rank) {
      self.groups.push_back({rank});
      self.group_of_rank.push_back(rank);
    }
    graph_.communicators.push_back(std::move(self));
    return static_cast<int>(graph_.communicators.size()) - 1;
  }

  TensorId add(const std::string& name, DType dtype, int64_t row_elements, int microbatch) {
    return graph_.add({name + "." + std::to_string(microbatch), TensorKind::activation, dtype, Rows::fixed,
                       all_tokens(), row_elements, -1, microbatch});
  }

  /// Every rank's tokens, of one microbatch: the same ids to all, which makes the all-to-all of the paper an
  /// all-gather.
  Task gather_tokens(const Task& task, TensorId own, TensorId all) {
    return collective_beside(task, Op::all_gather, "gather tokens", table_, own, all,
                             bytes_of(tensor(own).dtype, graph_.tokens_per_rank));
  }

  Task exchange(const Task& task, Leg leg, TensorId from, TensorId to) {
    Task all_to_all = collective_beside(task, Op::all_to_all, "exchange columns", table_, from, to, 0);
    all_to_all.fixed_rows = graph_.tokens_per_rank;
    all_to_all.leg = leg;
    all_to_all.shape.k = table_.width;
    all_to_all.bytes_per_row = bytes_of(tensor(from).dtype, table_.width);
    return all_to_all;
  }

  /// tokens -> tokens of all ranks -> their columns here -> all columns of the own tokens.
  std::vector<Task> look_up(const Task& task) {
    const TensorId tokens = task.reads[Embed::tokens], x = task.writes[Embed::x];
    const DType dtype = tensor(x).dtype;
    const TensorId all = add("all tokens", tensor(tokens).dtype, 1, task.microbatch);
    const TensorId columns = add("columns of all tokens", dtype, table_.width, task.microbatch);
    const TensorId arrived = add("columns of own tokens", dtype, table_.width, task.microbatch);
    Task own_columns = task;
    own_columns.reads[Embed::tokens] = all_tokens_[task.microbatch] = all;
    own_columns.writes[Embed::x] = columns;
    on_columns(own_columns);
    return {gather_tokens(task, tokens, all), own_columns, exchange(task, Leg::columns_out, columns, arrived),
            join_columns(task, table_, graph_.tokens_per_rank, arrived, x)};
  }

  /// The way back: gradients of the own tokens -> those of all tokens in the columns here -> into the table.
  std::vector<Task> scatter(const Task& task) {
    const TensorId dx = task.reads[EmbedBackward::dx];
    const DType dtype = tensor(dx).dtype;
    const TensorId pieces = add("d_columns of own tokens", dtype, table_.width, task.microbatch);
    const TensorId arrived = add("d_columns of all tokens", dtype, table_.width, task.microbatch);
    Task own_columns = task;
    own_columns.reads[EmbedBackward::dx] = arrived;
    own_columns.reads[EmbedBackward::tokens] = all_tokens_.at(task.microbatch);
    on_columns(own_columns);
    std::vector<Task> tasks = head_.add_gradient(task);
    tasks.insert(tasks.end(), {split_columns(task, table_, graph_.tokens_per_rank, dx, pieces),
                               exchange(task, Leg::columns_back, pieces, arrived), own_columns});
    return tasks;
  }

  void on_columns(Task& task) const {
    task.fixed_rows = all_tokens();
    task.shape.k = table_.width;
  }

  TaskGraph& graph_;
  CutTable table_;
  TiedHead head_;
  std::map<int, TensorId> all_tokens_;  // by microbatch
};

}  // namespace

void embedding_partition(TaskGraph& graph, const Plan& plan) {
  if (plan.embedding == Embedding::column_partition && graph.num_ranks > 1) EmbeddingPartition(graph).run();
}

}  // namespace moesaic
