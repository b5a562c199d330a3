#pragma once
// How a message is named: 16 bits of communicator and 47 bits of sequence number in one non-negative int64.
// It is not a counter: the caller numbers its operations, in the same order on every member.

#include <cstdint>

namespace moesaic::executor {

inline constexpr int kCommunicatorBits = 16;
inline constexpr int kSequenceBits = 47;
inline constexpr int64_t kMaxCommunicators = int64_t{1} << kCommunicatorBits;
inline constexpr int64_t kMaxSequences = int64_t{1} << kSequenceBits;

inline constexpr int64_t make_tag(int communicator_id, int64_t sequence) {
  return (static_cast<int64_t>(communicator_id) << kSequenceBits) | sequence;
}

/// MPI tags are ints up to MPI_TAG_UB, so the sequence rolls: communicator in the high 16 bits, the low `rolling_bits`
/// of the sequence below. Messages of one (source, tag) match in the order in which they were posted, and two
/// operations share a tag only when their numbers differ by a multiple of 2^rolling_bits. Invariant for the caller:
/// fewer than 2^rolling_bits (32768 with Open MPI) operations of one communicator are in flight between two ranks.
inline constexpr int fold_tag(int64_t tag, int rolling_bits) {
  const int64_t rolled = tag & ((int64_t{1} << rolling_bits) - 1);
  return static_cast<int>(((tag >> kSequenceBits) << rolling_bits) | rolled);
}

}  // namespace moesaic::executor
