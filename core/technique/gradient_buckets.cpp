#include <map>
#include <utility>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/technique/parameter_groups.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

/// Consecutive gradient reductions of one communicator, by index in program order.
struct Bucket {
  std::vector<size_t> members;
  Bytes bytes = 0;
};

/// Closes a bucket when the next gradient does not fit.
std::vector<Bucket> fill_buckets(const TaskGraph& graph, Bytes limit) {
  std::vector<Bucket> closed;
  std::map<std::pair<int, int>, Bucket> open;  // by communicator and pipeline stage
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    const Task& task = graph.tasks[i];
    if (!is_gradient_reduction(graph, task)) continue;
    Bucket& bucket = open[{task.communicator, task.stage}];
    if (!bucket.members.empty() && bucket.bytes + task.bytes > limit) {
      closed.push_back(bucket);
      bucket = {};
    }
    bucket.members.push_back(i);
    bucket.bytes += task.bytes;
  }
  for (auto& [key, bucket] : open) closed.push_back(std::move(bucket));
  return closed;
}

/// One stretch of memory for the gradients of a bucket, which become views of it. Returns the stretch.
TensorId join_gradients(TaskGraph& graph, const Bucket& bucket, size_t number) {
  constexpr int64_t kBucketAlignElements = 16;  // 64 bytes: one cache line, one AVX-512 register
  const auto joined = graph.tensors.next();
  int64_t elements = 0;
  for (size_t member : bucket.members) {
    Tensor& gradient = graph.tensors[gradient_of(graph.tasks[member])];
    gradient.view_of = joined;
    gradient.view_offset = elements;
    elements += (gradient.row_elements + kBucketAlignElements - 1) / kBucketAlignElements * kBucketAlignElements;
  }
  Tensor bucket_tensor = graph.tensors[gradient_of(graph.tasks[bucket.members[0]])];
  bucket_tensor.name = "gradient bucket " + std::to_string(number);
  bucket_tensor.row_elements = elements;
  bucket_tensor.view_of = -1;
  bucket_tensor.view_offset = 0;
  return graph.add(std::move(bucket_tensor));
}

/// The fused reduction, in the place of the last member.
Task fuse_reductions(TaskGraph& graph, const Bucket& bucket, size_t number) {
  Task fused = graph.tasks[bucket.members.back()];
  fused.label =
      "backward / reduce " + graph.communicators[fused.communicator].name + " bucket " + std::to_string(number);
  fused.bytes = bucket.bytes;
  const TensorId joined = join_gradients(graph, bucket, number);
  fused.reads = in_places({{operands::Collective::sent, joined}});
  fused.writes = in_places({{operands::Collective::received, joined}});
  return fused;
}

/// One AdamW task per bucket, in bucket order, operands in groups of one parameter.
Task fuse_updates(const TaskGraph& graph, const Bucket& bucket, const std::map<TensorId, const Task*>& update_of,
                  size_t number) {
  const Task& first = graph.tasks[bucket.members[0]];
  Task fused = *update_of.at(gradient_of(first));
  fused.label = "update / adamw " + graph.communicators[first.communicator].name + " bucket " + std::to_string(number);
  fused.fixed_rows = 0;
  fused.reads.clear();
  fused.writes.clear();
  for (size_t member : bucket.members) {
    const Task& update = *update_of.at(gradient_of(graph.tasks[member]));
    fused.fixed_rows += update.fixed_rows;
    fused.reads.insert(fused.reads.end(), update.reads.begin(), update.reads.end());
    fused.writes.insert(fused.writes.end(), update.writes.begin(), update.writes.end());
  }
  return fused;
}

}  // namespace

void gradient_buckets(TaskGraph& graph, const Plan& plan) {
  if (plan.gradient_bucket_bytes <= 0) return;
  const std::vector<Bucket> buckets = fill_buckets(graph, plan.gradient_bucket_bytes);
  std::map<TensorId, const Task*> update_of;
  for (const Task& task : graph.tasks)
    if (task.op == Op::adamw) update_of[gradient_of(task)] = &task;
  GraphEdit edit(graph);
  std::vector<Task> updates;
  for (size_t number = 0; number < buckets.size(); ++number) {
    updates.push_back(fuse_updates(graph, buckets[number], update_of, number));
    for (size_t member : buckets[number].members) {
      edit.remove(TaskIndex(member));
      edit.remove(TaskIndex(update_of.at(gradient_of(graph.tasks[member])) - graph.tasks.data()));
    }
    edit.behind(TaskIndex(buckets[number].members.back()), fuse_reductions(graph, buckets[number], number));
  }
  edit.apply();
  for (Task& update : updates) graph.tasks.push_back(std::move(update));
}

}  // namespace moesaic
