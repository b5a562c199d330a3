#include "planner/placement/layer_evaluation.h"

#include <algorithm>
#include <array>

namespace moesaic::planner {
namespace {

constexpr int kBlock = 8;  // sources whose sums are kept in registers: four vectors of two doubles

}  // namespace

LayerEvaluation::LayerEvaluation(const LayerLoad& load, const LayerCostModel& model, int num_experts, int num_ranks)
    : model_(model),
      num_ranks_(num_ranks),
      stride_((num_ranks + kBlock - 1) / kBlock * kBlock),
      tokens_(load.tokens),
      expert_rows_(static_cast<std::size_t>(num_experts) * stride_, 0.0),
      rows_to_(static_cast<std::size_t>(num_ranks) * stride_),
      sent_(2 * static_cast<std::size_t>(num_ranks)),
      replicas_(num_experts, 0),
      share_(num_experts, 1.0) {
  for (int expert = 0; expert < num_experts; ++expert) {
    alone_.push_back(slot_seconds(model, tokens_[expert]));
    for (int source = 0; source < num_ranks; ++source) {
      expert_rows_[expert * stride_ + source] = load.source_rows[source * num_experts + expert];
    }
  }
  slot_seconds_ = alone_;
}

void LayerEvaluation::split_over_replicas(const LayerPlacement& placement) {
  for (const int expert : placement.slot_to_expert) {
    if (++replicas_[expert] > 1) replicated_.push_back(expert);
  }
  for (const int expert : replicated_) {
    share_[expert] = 1.0 / replicas_[expert];
    slot_seconds_[expert] = slot_seconds(model_, tokens_[expert] / replicas_[expert]);
  }
}

void LayerEvaluation::forget_replicas() {
  for (const int expert : replicated_) {
    share_[expert] = 1.0;
    slot_seconds_[expert] = alone_[expert];
  }
  replicated_.clear();
  std::fill(replicas_.begin(), replicas_.end(), 0);
}

double LayerEvaluation::add_rows_to(int rank, const LayerPlacement& placement) {
  const int* const slots = placement.slot_to_expert.data() + rank * placement.slots_per_rank;
  double seconds = 0.0;  // added beside the rows: a sum of its own would wait for itself
  for (int block = 0; block < stride_; block += kBlock) {
    seconds = 0.0;
    std::array<double, kBlock> sums{};
    for (int slot = 0; slot < placement.slots_per_rank; ++slot) {
      const int expert = slots[slot];
      const double share = share_[expert];
      seconds += slot_seconds_[expert];
      const double* const rows = expert_rows_.data() + expert * stride_ + block;
      for (int source = 0; source < kBlock; ++source) sums[source] += rows[source] * share;
    }
    std::copy(sums.begin(), sums.end(), rows_to_.begin() + rank * stride_ + block);
  }
  return seconds;
}

double LayerEvaluation::busiest_port() {
  std::fill(sent_.begin(), sent_.end(), 0.0);
  double* const sent_intra = sent_.data();
  double* const sent_inter = sent_intra + num_ranks_;
  double most_intra = 0.0, most_inter = 0.0;
  for (int rank = 0; rank < num_ranks_; ++rank) {
    double* const rows = rows_to_.data() + rank * stride_;
    rows[rank] = 0.0;  // what stays at home uses no port
    const int first = rank / model_.ranks_per_node * model_.ranks_per_node;
    const int last = std::min(first + model_.ranks_per_node, num_ranks_);
    double recv_intra = 0.0, recv_inter = 0.0;
    const auto add = [rows](double* sent, double& received, int begin, int end) {
      for (int source = begin; source < end; ++source) {
        sent[source] += rows[source];
        received += rows[source];
      }
    };
    add(sent_inter, recv_inter, 0, first);
    add(sent_intra, recv_intra, first, last);
    add(sent_inter, recv_inter, last, num_ranks_);
    most_intra = std::max(most_intra, recv_intra);
    most_inter = std::max(most_inter, recv_inter);
  }
  most_intra = std::max(most_intra, *std::max_element(sent_intra, sent_inter));
  most_inter = std::max(most_inter, *std::max_element(sent_inter, sent_inter + num_ranks_));
  return std::max(most_intra * model_.seconds_per_remote_row_intra, most_inter * model_.seconds_per_remote_row_inter);
}

LayerSeconds LayerEvaluation::seconds(const LayerPlacement& placement) {
  split_over_replicas(placement);
  double compute = 0.0;
  for (int rank = 0; rank < num_ranks_; ++rank) {
    compute = std::max(compute, add_rows_to(rank, placement));
  }
  forget_replicas();
  const double port = busiest_port();
  return {compute, port, port};
}

}  // namespace moesaic::planner
