#include "cli/options/rank_list.h"

#include <charconv>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace moesaic::cli {
namespace {

/// -1: none that fits.
int number_of(std::string_view text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && text.front() != '-' ? number : -1;
}

}  // namespace

std::vector<int> parse_ranks(const std::string& text, int num_ranks) {
  std::set<int> ranks;
  std::istringstream items(text + ",");
  for (std::string item; std::getline(items, item, ',');) {
    const size_t dash = item.find('-');
    const int first = number_of(item.substr(0, dash));
    const int last = dash == std::string::npos ? first : number_of(item.substr(dash + 1));
    if (first < 0 || last < first)
      throw std::invalid_argument("\"" + text.substr(0, 80) +
                                  "\" is no list of ranks; expected ranks and ranges such as 0,3,8-15");
    if (last >= num_ranks)
      throw std::invalid_argument("names rank " + std::to_string(last) + "; expected ranks from 0 to " +
                                  std::to_string(num_ranks - 1));
    for (int rank = first; rank <= last; ++rank) ranks.insert(rank);
  }
  return {ranks.begin(), ranks.end()};
}

}  // namespace moesaic::cli
