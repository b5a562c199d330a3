#include <algorithm>

#include "core/graph/operands.h"
#include "core/graph/verify_rules.h"
#include "core/operators/latent_attention.h"
#include "core/operators/products.h"
#include "core/schema/error.h"

namespace moesaic::rules {
namespace {

/// -1 where routing or an uneven batch decides.
Bytes fixed_bytes(const Tensor& tensor) {
  const int64_t elements = fixed_elements(tensor);
  return elements < 0 ? -1 : bytes_of(tensor.dtype, elements);
}

/// What a task contributes from this rank: the counts of several layers are sent as one. -1: not known here.
Bytes sent_bytes(const Subject& subject, const Task& task) {
  Bytes bytes = 0;
  for (TensorId id : task.reads) {
    const Bytes part = fixed_bytes(subject.tensor(id));
    if (part < 0) return -1;
    bytes += part;
  }
  return bytes;
}

/// [tensors]: elements of the views that lie side by side in a tensor; without views its own. Padding is no element.
OfTensors<int64_t> held_elements(const TaskGraph& graph) {
  OfTensors<int64_t> held(graph.tensors.size(), 0);
  for (const Tensor& tensor : graph.tensors)
    if (tensor.view_of >= 0 && tensor.view_communicator < 0) held[tensor.view_of] += fixed_elements(tensor);
  for (size_t i = 0; i < held.size(); ++i)
    if (held[i] == 0) held[i] = fixed_elements(graph.tensors[i]);
  return held;
}

}  // namespace

/// Rows of a view are as far apart as those of its base; a rank's share is one row.
void views_lie_inside_their_base(const Subject& subject) {
  for (const Tensor& view : subject.graph.tensors) {
    if (view.view_of < 0) continue;
    const Tensor& base = subject.tensor(view.view_of);
    MOESAIC_CHECK(view.dtype == base.dtype && view.kind == base.kind,
                  subject.at(view) + "is not of the kind of '" + base.name + "', in which it lies");
    const int64_t members = view.view_communicator < 0 ? 1 : subject.members(view.view_communicator, -1);
    const int64_t end = view.view_offset + (view.fixed_rows - 1) * base.row_elements + members * view.row_elements;
    MOESAIC_CHECK(fixed_elements(view) >= 0 && view.view_offset >= 0 && end <= fixed_elements(base),
                  subject.at(view) + "reaches over the end of '" + base.name + "'");
  }
}

/// Sums and what is cleared; of a window routing says how many rows it has.
void elementwise_tasks_cover_their_tensors(const Subject& subject, const Task& task) {
  if (task.op != Op::add && task.op != Op::clear) return;
  for (const std::vector<TensorId>* list : {&task.reads, &task.writes})
    for (TensorId id : *list) {
      const Tensor& tensor = subject.tensor(id);
      const int64_t width = std::max<int64_t>(1, task.shape.k);
      const bool covers =
          tensor.rows == Rows::fixed ? task.fixed_rows * width == fixed_elements(tensor) : width == tensor.row_elements;
      MOESAIC_CHECK(covers && (task.rows == tensor.rows),
                    subject.at(task) + "has not the elements of '" + tensor.name + "'");
    }
}

void products_have_the_weights_of_their_shape(const Subject& subject, const Task& task) {
  if (task.op == Op::head_linear) {
    const Tensor& weight = subject.tensor(task.reads[operands::HeadLinear::w]);
    MOESAIC_CHECK(fixed_elements(weight) >= task.shape.heads * task.shape.n * task.shape.k,
                  subject.at(task) + "'" + weight.name + "' has fewer elements than its shape");
    return;
  }
  const bool reads = task.op == Op::linear || task.op == Op::linear_dgrad;
  if (!reads && task.op != Op::linear_wgrad) return;
  static_assert(operands::Linear::w == size_t{operands::LinearDgrad::w});
  const Tensor& weight =
      subject.tensor(reads ? task.reads[operands::Linear::w] : task.writes[operands::LinearWgrad::dw]);
  MOESAIC_CHECK(fixed_elements(weight) == task.shape.n * task.shape.k,
                subject.at(task) + "'" + weight.name + "' has not the elements of its shape");
}

void exchanges_count_the_bytes_of_a_row(const Subject& subject, const Task& task) {
  if (task.op != Op::all_to_all) return;
  const Tensor& sent = subject.tensor(input_of(task));
  MOESAIC_CHECK(task.bytes_per_row == bytes_of(sent.dtype, sent.row_elements) && task.shape.k == sent.row_elements,
                subject.at(task) + "counts other bytes than a row of '" + sent.name + "' has");
}

void gathers_fill_their_tensor(const Subject& subject, const Task& task) {
  if (task.op != Op::all_gather) return;
  const Tensor& whole = subject.tensor(output_of(task));
  const Bytes sent = sent_bytes(subject, task), gathered = fixed_bytes(whole);
  MOESAIC_CHECK(sent < 0 || task.bytes == sent, subject.at(task) + "sends other bytes than it reads");
  MOESAIC_CHECK(gathered < 0 || task.bytes * subject.members(task.communicator, task.stage) == gathered,
                subject.at(task) + "does not fill '" + whole.name + "'");
}

void scattered_sums_cover_their_tensor(const Subject& subject, const Task& task) {
  if (task.op != Op::reduce_scatter) return;
  const Tensor &whole = subject.tensor(input_of(task)), &share = subject.tensor(output_of(task));
  const Bytes kept = fixed_bytes(share), summed = fixed_bytes(whole);
  MOESAIC_CHECK(share.dtype == whole.dtype && (kept < 0 || task.bytes == kept),
                subject.at(task) + "leaves other bytes than '" + share.name + "' holds");
  MOESAIC_CHECK(summed < 0 || task.bytes * subject.members(task.communicator, task.stage) == summed,
                subject.at(task) + "does not sum all of '" + whole.name + "'");
}

/// In place. Of a window routing says how many rows it has.
void reductions_cover_their_tensor(const Subject& subject) {
  const OfTensors<int64_t> held = held_elements(subject.graph);
  for (const Task& task : subject.graph.tasks) {
    if (task.op != Op::all_reduce) continue;
    const TensorId id = input_of(task);
    const Tensor& sum = subject.tensor(id);
    MOESAIC_CHECK(output_of(task) == id && task.reads.size() == 1,
                  subject.at(task) + "does not leave the sum where it read '" + sum.name + "'");
    const bool window = is_window(sum.rows);
    const Bytes expected = bytes_of(sum.dtype, window ? sum.row_elements : held[id]);
    MOESAIC_CHECK(task.rows == sum.rows || !window, subject.at(task) + "has other rows than '" + sum.name + "'");
    MOESAIC_CHECK(expected == (window ? task.bytes_per_row : task.bytes),
                  subject.at(task) + "sums other bytes than '" + sum.name + "' holds");
  }
}

}  // namespace moesaic::rules
