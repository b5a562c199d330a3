// The embedding table cut by columns over data-parallel ranks (SE-MoE section 4.3): what travels is activations of the
// own tokens, forward and backward, instead of the gradient of the whole table.
#include <map>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/operators/embedding.h"
#include "core/operators/row_movers.h"
#include "core/schema/error.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

using operands::Collective, operands::Embed, operands::EmbedBackward, operands::RowMove;

class EmbeddingPartition {
 public:
  explicit EmbeddingPartition(TaskGraph& graph) : graph_(graph), world_(graph.find_communicator("world")) {}

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
      else if (task.op == Op::adamw && gradient_of(task) == table().gradient)
        task.fixed_rows = table().elements;
      else if (gradient_of(task) == table().gradient)
        edit.remove(place);
    }
    edit.apply();
  }

 private:
  Parameter& table() { return graph_.parameters[table_]; }
  Tensor& tensor(TensorId id) { return graph_.tensors[id]; }
  int64_t all_tokens() const { return graph_.num_ranks * graph_.tokens_per_rank; }

  void cut_table() {
    while (table().name != "embedding") MOESAIC_CHECK(++table_ < graph_.parameters.size(), "a step without embedding");
    for (const Task& task : graph_.tasks)
      if (task.op == Op::embed) hidden_ = task.shape.k;
    MOESAIC_CHECK(graph_.local_tokens.empty() && hidden_ % graph_.num_ranks == 0, "the plan has not been checked");
    width_ = hidden_ / graph_.num_ranks;
    const int64_t vocabulary = table().elements / hidden_;
    table().elements /= graph_.num_ranks;
    for (TensorId state : {table().weight, table().gradient, table().moments})
      tensor(state).row_elements /= graph_.num_ranks;
    table().replicas = alone();
    table().partition = world_;
    table().shares = {{{"embedding", 0, hidden_, 0, width_, width_, vocabulary}, width_}};
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

  TensorId add(const std::string& name, DType dtype, int64_t rows, int64_t row_elements, int microbatch) {
    return graph_.add({name, TensorKind::activation, dtype, Rows::fixed, rows, row_elements, -1, microbatch});
  }

  /// A task beside the one of the embedding.
  Task beside(const Task& task, Op op, const std::string& what, NamedOperands reads, NamedOperands writes) const {
    Task added;
    added.label = task.label + " / " + what;
    added.op = op;
    added.phase = task.phase;
    added.microbatch = task.microbatch;
    added.fixed_rows = graph_.tokens_per_rank;
    added.reads = in_places(reads);
    added.writes = in_places(writes);
    return added;
  }

  /// Every rank's tokens, of one microbatch: the same ids to all, which makes the all-to-all of the paper an
  /// all-gather.
  Task gather_tokens(const Task& task, TensorId own, TensorId all) {
    Task gather =
        beside(task, Op::all_gather, "gather tokens", {{Collective::sent, own}}, {{Collective::received, all}});
    gather.lane = Lane::network;
    gather.communicator = world_;
    gather.bytes = bytes_of(tensor(own).dtype, graph_.tokens_per_rank);
    return gather;
  }

  Task exchange(const Task& task, Leg leg, TensorId from, TensorId to) {
    Task all_to_all =
        beside(task, Op::all_to_all, "exchange columns", {{Collective::sent, from}}, {{Collective::received, to}});
    all_to_all.lane = Lane::network;
    all_to_all.communicator = world_;
    all_to_all.leg = leg;
    all_to_all.shape.k = width_;
    all_to_all.bytes_per_row = bytes_of(tensor(from).dtype, width_);
    return all_to_all;
  }

  Task regroup(const Task& task, Regroup order, TensorId from, TensorId to) const {
    const bool join = order == Regroup::join_columns;
    Task added = beside(task, Op::regroup, join ? "join columns" : "split columns", {{RowMove::rows, from}},
                        {{RowMove::moved, to}});
    added.regroup = order;
    added.shape.k = hidden_;
    return added;
  }

  /// tokens -> tokens of all ranks -> their columns here -> all columns of the own tokens.
  std::vector<Task> look_up(const Task& task) {
    const TensorId tokens = task.reads[Embed::tokens], x = task.writes[Embed::x];
    const DType dtype = tensor(x).dtype;
    const std::string suffix = "." + std::to_string(task.microbatch);
    const TensorId all = add("all tokens" + suffix, tensor(tokens).dtype, all_tokens(), 1, task.microbatch);
    const TensorId columns = add("columns of all tokens" + suffix, dtype, all_tokens(), width_, task.microbatch);
    const TensorId arrived = add("columns of own tokens" + suffix, dtype, all_tokens(), width_, task.microbatch);
    Task own_columns = task;
    own_columns.reads[Embed::tokens] = all_tokens_[task.microbatch] = all;
    own_columns.writes[Embed::x] = columns;
    on_columns(own_columns);
    return {gather_tokens(task, tokens, all), own_columns, exchange(task, Leg::columns_out, columns, arrived),
            regroup(task, Regroup::join_columns, arrived, x)};
  }

  /// The way back: gradients of the own tokens -> those of all tokens in the columns here -> into the table.
  std::vector<Task> scatter(const Task& task) {
    const TensorId dx = task.reads[EmbedBackward::dx];
    const DType dtype = tensor(dx).dtype;
    const std::string suffix = "." + std::to_string(task.microbatch);
    const TensorId pieces = add("d_columns of own tokens" + suffix, dtype, all_tokens(), width_, task.microbatch);
    const TensorId arrived = add("d_columns of all tokens" + suffix, dtype, all_tokens(), width_, task.microbatch);
    Task own_columns = task;
    own_columns.reads[EmbedBackward::dx] = arrived;
    own_columns.reads[EmbedBackward::tokens] = all_tokens_.at(task.microbatch);
    on_columns(own_columns);
    return {regroup(task, Regroup::split_columns, dx, pieces), exchange(task, Leg::columns_back, pieces, arrived),
            own_columns};
  }

  void on_columns(Task& task) const {
    task.fixed_rows = all_tokens();
    task.shape.k = width_;
  }

  TaskGraph& graph_;
  const int world_;
  size_t table_ = 0;                    // index of the parameter
  int64_t hidden_ = 0, width_ = 0;      // columns of the table, and of a rank's part
  std::map<int, TensorId> all_tokens_;  // by microbatch
};

}  // namespace

void embedding_partition(TaskGraph& graph, const Plan& plan) {
  if (plan.embedding == Embedding::column_partition && graph.num_ranks > 1) EmbeddingPartition(graph).run();
}

}  // namespace moesaic
