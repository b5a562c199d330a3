#pragma once
// Seconds of one task from a profile: a measured curve where there is one, else a roofline, and it says which.
// Contention is not priced here.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/cost/roofline.h"
#include "core/cost/signature.h"
#include "core/cost/table_prices.h"
#include "core/graph/task_graph.h"
#include "core/schema/cluster.h"
#include "core/schema/profile.h"

namespace moesaic {

/// What a price stands on, from the strongest to the weakest.
enum class Basis : uint8_t {
  measured,      // on a curve that was measured, between its points
  published,     // the same of one that others measured: a published curve or a table
  extrapolated,  // on a curve or a table, beyond its points
  scaled,        // one of the same operator with other dimensions, scaled by a roofline, or one that was assumed
  roofline,      // peak rates times an assumed efficiency
};
inline constexpr int kNumBases = static_cast<int>(Basis::roofline) + 1;
const char* name_of(Basis basis);
/// What a collective without a curve stands on, which is no basis of a cost model: the links of the cluster document.
inline constexpr const char* kAlphaBeta = "alpha_beta";

struct Price {
  Seconds seconds = 0;
  Basis basis = Basis::measured;
  bool operator==(const Price&) const = default;
};

class CostModel {
 public:
  /// Throws InputError for a curve that cannot be read and for rates or efficiencies that are not positive.
  CostModel(const Profile& profile, const Cluster& cluster);

  /// Finds the curve of every task once. Until the next prepare(), a TaskIndex below means a task of this graph, which
  /// need not outlive the call.
  void prepare(const TaskGraph& graph);

  /// An operator on `rows` rows. No rows cost nothing. For experts, pass the rows of each local slot to experts():
  /// where the profile has tables of whole layers, they price the vector of rows; else it costs the sum over slots that
  /// have rows, on the weakest of their bases. The forms by TaskIndex are for hot loops, the forms by Task search the
  /// profile at every call.
  Price compute(TaskIndex task, int64_t rows) const;
  Price compute(const Task& task, int64_t rows) const;
  /// Tasks with the same method have the same price for the same rows. -1: a collective.
  int method_of(TaskIndex task) const { return method_of_task_[task]; }
  Price experts(TaskIndex task, std::span<const int64_t> slot_rows) const;
  Price experts(const Task& task, std::span<const int64_t> slot_rows) const;

  /// What a slot with `rows` rows adds to slots - 1 others that have as many. Without tables: its price alone.
  Seconds one_more_slot(const Task& experts, int64_t rows, int64_t slots) const;
  /// Rows between which a table's price of the operator is linear; none without a table.
  std::span<const int64_t> table_rows(const Task& task) const;
  /// Seconds per row that no vector of rows goes below, by the tables; 0: the profile has none of experts.
  Seconds least_per_row(const Task& experts) const;
  /// Seconds that no vector of rows of `slots` slots goes below, by the tables, whose rows lie between these, at most
  /// `most_in_slot` of them in one slot; 0: the profile has none of experts.
  Seconds least_of_experts(const Task& experts, int64_t least_rows, int64_t most_rows, int64_t most_in_slot,
                           int64_t slots) const;

  /// A collective from a measured curve: `busiest_bytes` is the most that one member sends or receives. Nothing when no
  /// curve fits. Between curves of other group sizes nothing is guessed.
  const CollectiveCurve* collective_curve(Op op, int num_ranks, bool crosses_nodes) const;
  Price collective(const CollectiveCurve& curve, Bytes busiest_bytes) const;

  Seconds task_overhead() const { return profile_.task_overhead_s; }

 private:
  /// How an operator is priced.
  struct Method {
    Op op = Op::add;
    DType dtype = DType::f32, weights = DType::f32;
    OpShape shape;
    int curve = -1;       // index into profile_.operators; -1: roofline
    bool scaled = false;  // the curve has `curve_shape`, not `shape`, and is that of `curve_op`
    Op curve_op = Op::add;
    OpShape curve_shape;
    std::shared_ptr<const TableCurve> table;         // in place of a curve of the profile; null: none
    bool has_experts = false;                        // tables price the rows of all slots together
    mutable std::map<size_t, ExpertPrices> experts;  // by the number of slots, as they are asked for
  };
  void index_operator(size_t curve);
  Method method_for(const Task& task) const;
  int nearest_curve(Op op, DType dtype, const OpShape& shape) const;  // -1 when the operator has none
  Price price(const Method& method, int64_t rows) const;
  const ExpertPrices& expert_prices(const Method& method, size_t slots) const;
  Price price_slots(const Method& method, std::span<const int64_t> slot_rows) const;
  const Method& prepared(TaskIndex task) const;

  Profile profile_;
  Roofline roofline_;
  std::shared_ptr<const TablePrices> tables_;  // null: none
  std::vector<OpShape> shapes_;                // [profile_.operators]
  std::map<std::string, int> by_signature_;    // the curve with the strongest provenance, the first among equals
  std::map<Op, std::vector<int>> by_op_;       // all dtypes
  std::vector<Method> methods_;                // [unique signatures and dtypes of the prepared graph]
  OfTasks<int> method_of_task_;                // of the prepared graph; -1: a collective
};

}  // namespace moesaic
