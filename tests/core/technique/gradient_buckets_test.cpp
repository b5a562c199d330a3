#include <gtest/gtest.h>

#include <map>

#include "core/graph/operands.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::tiny_plan;
using Labels = std::vector<std::string>;

TaskGraph bucketed(int ranks, int ep, Bytes limit) {
  Plan plan = tiny_plan(ranks, ep);
  plan.gradient_bucket_bytes = limit;
  return lower(plan);
}

struct Bucket {
  std::string label;
  Bytes bytes = 0;
  Labels members;
  bool operator==(const Bucket&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Bucket& bucket) {
  out << bucket.label << " " << bucket.bytes;
  for (const std::string& member : bucket.members) out << " " << member;
  return out;
}

std::vector<Bucket> buckets_of(const TaskGraph& graph) {
  std::vector<Bucket> buckets;
  for (const Task& task : graph.tasks) {
    if (task.op != Op::all_reduce || task.phase == Phase::update) continue;
    buckets.push_back({task.label, task.bytes, {}});
    std::map<int64_t, std::string> by_offset;
    for (const Tensor& tensor : graph.tensors)
      if (tensor.view_of == gradient_of(task)) by_offset[tensor.view_offset] = tensor.name;
    for (const auto& [offset, name] : by_offset) buckets.back().members.push_back(name);
  }
  return buckets;
}

// Bytes in the order in which backward completes them: final_norm 64, router 128, norm2 64, out 256, qkv 768, norm1 64,
// embedding 512. At most 256 each: 64 + 128 + 64 fill the first; qkv is larger than a bucket; 64 + 512 do not fit.
TEST(GradientBuckets, FillUpInTheOrderOfBackward) {
  EXPECT_EQ(buckets_of(bucketed(2, 2, 256)),
            (std::vector<Bucket>{{"backward / reduce world bucket 0",
                                  256,
                                  {"final_norm.gradient", "layers.0.router.gradient", "layers.0.norm2.gradient"}},
                                 {"backward / reduce world bucket 1", 256, {"layers.0.out.gradient"}},
                                 {"backward / reduce world bucket 2", 768, {"layers.0.qkv.gradient"}},
                                 {"backward / reduce world bucket 3", 64, {"layers.0.norm1.gradient"}},
                                 {"backward / reduce world bucket 4", 512, {"embedding.gradient"}}}));
}

TEST(GradientBuckets, OneByteLessMovesTheBorder) {
  EXPECT_EQ(buckets_of(bucketed(2, 2, 255))[0],
            (Bucket{"backward / reduce world bucket 0", 192, {"final_norm.gradient", "layers.0.router.gradient"}}));
}

// Experts are reduced among the two ranks that hold the same slots: up and down, 2 slots * 128 * 4 bytes each.
TEST(GradientBuckets, CommunicatorsDoNotMix) {
  const std::vector<Bucket> buckets = buckets_of(bucketed(4, 2, 1 << 20));
  ASSERT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets[0].members, (Labels{"layers.0.experts.up.gradient", "layers.0.experts.down.gradient"}));
  EXPECT_EQ(buckets[0].bytes, 2048);
  EXPECT_EQ(buckets[1].bytes, 64 + 128 + 64 + 256 + 768 + 64 + 512);
}

/// Elements of every AdamW task by label.
std::map<std::string, int64_t> updates_of(const TaskGraph& graph) {
  std::map<std::string, int64_t> updates;
  for (const Task& task : graph.tasks)
    if (task.op == Op::adamw) updates[task.label] = task.fixed_rows;
  return updates;
}

// Elements are a quarter of the bytes above. Expert gradients that one rank alone holds keep their own updates.
TEST(GradientBuckets, EachHasOneUpdate) {
  EXPECT_EQ(updates_of(bucketed(2, 2, 256)),
            (std::map<std::string, int64_t>{{"update / adamw world bucket 0", 64},
                                            {"update / adamw world bucket 1", 64},
                                            {"update / adamw world bucket 2", 192},
                                            {"update / adamw world bucket 3", 16},
                                            {"update / adamw world bucket 4", 128},
                                            {"update / adamw layers.0.experts.down", 256},
                                            {"update / adamw layers.0.experts.up", 256}}));
}

// What an update waits for: the last users of its weights, its gradients, and that all ranks have theirs.
TEST(GradientBuckets, AnUpdateWaitsForItsOwnReductionAndForTheAgreement) {
  const TaskGraph graph = bucketed(2, 2, 256);
  EXPECT_EQ(testing::waits_for(graph, "update / adamw world bucket 1"),
            (Labels{"layer 0 / forward / out", "layer 0 / backward / out dgrad", "backward / reduce world bucket 1",
                    "update / check gradients from layers.0.experts.up", "update / sum losses"}));
}

TEST(GradientBuckets, OneRankHasNothingToReduce) {
  EXPECT_EQ(testing::labels_of(bucketed(1, 1, 256)), testing::labels_of(bucketed(1, 1, 0)));
}

}  // namespace
}  // namespace moesaic
