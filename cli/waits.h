#pragma once
// What the ranks of a job say about their waits for each other, and which sentence comes of it. It reads lines and
// starts, ends and prints nothing.

#include <map>
#include <set>
#include <string>
#include <vector>

namespace moesaic::cli {

/// A line is "@wait EVENT RANK SECONDS MISSING TASK", for example "@wait begins 0 10.0 1,2 layer 3 / forward /
/// dispatch". A rank that is missing and has not said itself that it waits is where the chain of waits ends.
class Waits {
 public:
  /// What a person should read now; "" when nothing new is known.
  std::string hear(const std::string& line);

  /// "; rank 0 was waiting for it in '...'" for a rank that died, or "" when nobody said so.
  std::string at_death_of(int rank) const;
  /// Names the ranks for which others have waited beyond the timeout; "" when none has.
  std::string timeout() const;

 private:
  struct Wait {
    double seconds = 0;
    std::vector<int> missing;
    std::string task;
  };

  bool waits(int rank) const { return begun_.contains(rank) || over_.contains(rank); }
  std::vector<int> silent_of(const Wait& wait) const;
  std::string sentence(int rank, const Wait& wait) const;

  std::map<int, Wait> begun_, over_, cut_short_;  // by the rank that waits
  std::set<int> named_;                           // missing ranks that a person has read about
};

}  // namespace moesaic::cli
