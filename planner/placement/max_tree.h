#pragma once
// The maximum of an array whose entries change one at a time: a tournament tree, O(log n) per change.
// It keeps values only; it does not say who holds the maximum.

#include <algorithm>
#include <bit>
#include <vector>

namespace moesaic::planner {

class MaxTree {
 public:
  /// `size` entries, all 0. Values must not be negative: the unused leaves are 0.
  explicit MaxTree(int size) : num_leaves_(std::bit_ceil(static_cast<unsigned>(size))), node_(2 * num_leaves_, 0.0) {}

  double operator[](int idx) const { return node_[num_leaves_ + idx]; }
  double max() const { return node_[1]; }

  void set(int idx, double value) {
    std::size_t at = num_leaves_ + idx;
    node_[at] = value;
    while (at > 1) {
      at /= 2;
      const double winner = std::max(node_[2 * at], node_[2 * at + 1]);
      if (node_[at] == winner) return;  // nothing above can change
      node_[at] = winner;
    }
  }

 private:
  std::size_t num_leaves_;
  std::vector<double> node_;  // [2 * num_leaves]; node i has children 2i and 2i+1
};

}  // namespace moesaic::planner
