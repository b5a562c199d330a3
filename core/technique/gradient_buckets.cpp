#include <map>

#include "core/technique/technique.h"

namespace moesaic {
namespace {

/// Consecutive gradient reductions of one communicator, by index in program order.
struct Bucket {
  std::vector<size_t> members;
  Bytes bytes = 0;
};

bool is_gradient_reduction(const TaskGraph& graph, const Task& task) {
  return task.op == Op::all_reduce && graph.tensors[static_cast<size_t>(task.reads[0])].kind == TensorKind::gradient;
}

/// Closes a bucket when the next gradient does not fit.
std::vector<Bucket> fill_buckets(const TaskGraph& graph, Bytes limit) {
  std::vector<Bucket> closed;
  std::map<int, Bucket> open;  // by communicator
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    const Task& task = graph.tasks[i];
    if (!is_gradient_reduction(graph, task)) continue;
    Bucket& bucket = open[task.communicator];
    if (!bucket.members.empty() && bucket.bytes + task.bytes > limit) {
      closed.push_back(bucket);
      bucket = {};
    }
    bucket.members.push_back(i);
    bucket.bytes += task.bytes;
  }
  for (auto& [communicator, bucket] : open) closed.push_back(std::move(bucket));
  return closed;
}

/// The fused reduction, in the place of the last member.
Task fuse_reductions(const TaskGraph& graph, const Bucket& bucket, size_t number) {
  Task fused = graph.tasks[bucket.members.back()];
  fused.label = "backward / reduce " + graph.communicators[static_cast<size_t>(fused.communicator)].name + " bucket " +
                std::to_string(number);
  fused.bytes = bucket.bytes;
  fused.reads.clear();
  for (size_t member : bucket.members)
    for (TensorId gradient : graph.tasks[member].reads) fused.reads.push_back(gradient);
  fused.writes = fused.reads;
  return fused;
}

/// One AdamW task per bucket, in bucket order, operands in groups of one parameter.
Task fuse_updates(const TaskGraph& graph, const Task& reduction, const std::map<TensorId, const Task*>& update_of,
                  size_t number) {
  Task fused = *update_of.at(reduction.reads[0]);
  fused.label = "update / adamw " + graph.communicators[static_cast<size_t>(reduction.communicator)].name + " bucket " +
                std::to_string(number);
  fused.fixed_rows = 0;
  fused.reads.clear();
  fused.writes.clear();
  for (TensorId gradient : reduction.reads) {
    const Task& update = *update_of.at(gradient);
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
    if (task.op == Op::adamw) update_of[task.reads[0]] = &task;
  std::map<size_t, Task> replacement;  // at the place of the last member
  std::vector<bool> dropped(graph.tasks.size(), false);
  std::vector<Task> updates;
  for (size_t number = 0; number < buckets.size(); ++number) {
    for (size_t member : buckets[number].members) dropped[member] = true;
    Task reduction = fuse_reductions(graph, buckets[number], number);
    updates.push_back(fuse_updates(graph, reduction, update_of, number));
    for (TensorId gradient : reduction.reads)
      dropped[static_cast<size_t>(update_of.at(gradient) - graph.tasks.data())] = true;
    replacement.emplace(buckets[number].members.back(), std::move(reduction));
  }
  std::vector<Task> tasks;
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    if (const auto found = replacement.find(i); found != replacement.end())
      tasks.push_back(found->second);
    else if (!dropped[i])
      tasks.push_back(graph.tasks[i]);
  }
  for (Task& update : updates) tasks.push_back(std::move(update));
  graph.tasks = std::move(tasks);
}

}  // namespace moesaic
