#include "core/timeline/tracks.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace moesaic {

std::vector<int> tracks_of(const Timeline& timeline) {
  const std::vector<TaskTime>& times = timeline.times;
  std::vector<size_t> order(times.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(times[a].start, times[a].end, times[a].task, a) <
           std::tie(times[b].start, times[b].end, times[b].task, b);
  });
  std::map<std::pair<int, Lane>, std::vector<Seconds>> free_from;  // by (rank, lane): when each track becomes free
  std::vector<int> tracks(times.size(), 0);
  for (size_t i : order) {
    std::vector<Seconds>& ends = free_from[{times[i].rank, timeline.rows[times[i].task].lane}];
    auto track = std::find_if(ends.begin(), ends.end(), [&](Seconds end) { return end <= times[i].start; });
    if (track == ends.end()) track = ends.insert(ends.end(), 0);
    *track = times[i].end;
    tracks[i] = static_cast<int>(track - ends.begin());
  }
  return tracks;
}

}  // namespace moesaic
