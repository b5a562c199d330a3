#pragma once
// Work that shares one server equally (processor sharing), in virtual time: what each piece has been given since the
// server was last idle. A piece ends when virtual time reaches the value it had at the piece's start plus its amount,
// whatever comes and goes meanwhile, so nothing is touched but the piece that ends.

#include <cstdint>
#include <vector>

#include "core/schema/units.h"

namespace moesaic::simulator {

class SharedQueue {
 public:
  using Tag = uint64_t;

  /// `rate`: amount per second of the whole server.
  explicit SharedQueue(double rate) : rate_(rate) {}

  bool empty() const { return pieces_.empty(); }

  /// `copies` pieces of the same amount, which end together and are told once. `now` never goes back.
  void add(double amount, int copies, Tag tag, Seconds now);
  void set_rate(double rate, Seconds now);

  /// When the next piece ends if nothing comes; not of an empty queue.
  Seconds next_end() const;
  /// Ends what ends next, at next_end(): appends the tags in the order of their start.
  void end_next(std::vector<Tag>& ended);

 private:
  struct Piece {
    double end = 0;  // in virtual time
    int64_t number = 0;
    int copies = 1;
    Tag tag = 0;
    bool operator>(const Piece& other) const { return end != other.end ? end > other.end : number > other.number; }
  };
  void advance(Seconds now);

  double rate_;
  double virtual_ = 0;  // amount that each piece has been given
  Seconds updated_ = 0;
  int64_t under_way_ = 0;      // pieces, copies counted
  int64_t numbered_ = 0;       // since the server was last idle
  std::vector<Piece> pieces_;  // a heap, the next to end in front
};

}  // namespace moesaic::simulator
