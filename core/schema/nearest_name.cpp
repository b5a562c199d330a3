#include "core/schema/nearest_name.h"

#include <algorithm>
#include <utility>

namespace moesaic {
namespace {

// Longer names are cut before they are compared, which bounds the quadratic work on hostile input.
constexpr size_t kLongestName = 100;
// "mixtral" is the beginning of "mixtral-8x7b", however far the two are apart; a letter or two are of everything.
constexpr size_t kShortestBeginning = 3;

std::string joined(const std::vector<std::string>& names, const std::string& quote, const std::string& separator) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : separator) + quote + name + quote;
  return text;
}

/// "links.nic.latency_s" -> "links", "nic", "latency", "s".
std::vector<std::string> words_of(std::string_view path) {
  std::vector<std::string> words(1);
  for (const char c : path) {
    if (c != '.' && c != '_')
      words.back() += c;
    else if (!words.back().empty())
      words.emplace_back();
  }
  return words;
}

/// The same word but for a letter, or the beginning of it; what units are called tells nothing.
bool are_alike(const std::string& asked, const std::string& word) {
  constexpr size_t kShort = 3;
  if (asked.size() < kShort) return false;
  return word.starts_with(asked) || asked == word || (asked.size() > kShort && edit_distance(asked, word) <= 1);
}

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kLongestName);
  b = b.substr(0, kLongestName);
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));  // [prefix of a, prefix of b]
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& candidates,
                                       size_t limit) {
  const size_t threshold = std::max<size_t>(2, std::min(name.size(), kLongestName) / 3);
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance <= threshold && distance < candidate.size())
      near.emplace_back(distance, candidate);
    else if (name.size() >= kShortestBeginning && candidate.starts_with(name))
      near.emplace_back(threshold + 1, candidate);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (size_t i = 0; i < near.size() && i < limit; ++i) names.push_back(near[i].second);
  return names;
}

std::vector<std::string> nearest_paths(std::string_view path, const std::vector<std::string>& candidates) {
  constexpr size_t kMost = 3;
  if (std::vector<std::string> near = nearest_names(path, candidates, kMost); !near.empty()) return near;
  const std::vector<std::string> asked = words_of(path.substr(0, kLongestName));
  std::vector<std::pair<size_t, std::string>> sharing;  // words that they do not share
  for (const std::string& candidate : candidates) {
    const std::vector<std::string> words = words_of(candidate);
    const auto shared = static_cast<size_t>(std::count_if(asked.begin(), asked.end(), [&](const std::string& word) {
      return std::any_of(words.begin(), words.end(), [&](const std::string& other) { return are_alike(word, other); });
    }));
    if (shared > 0) sharing.emplace_back(asked.size() - shared, candidate);
  }
  std::stable_sort(sharing.begin(), sharing.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.first, a.second.size()) < std::make_pair(b.first, b.second.size());
  });
  std::vector<std::string> paths;
  for (const auto& [missing, candidate] : sharing)
    if (paths.size() < kMost && missing == sharing.front().first) paths.push_back(candidate);
  return paths;
}

std::string did_you_mean(const std::vector<std::string>& names) {
  return "did you mean " + joined(names, "\"", " or ") + "?";
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  if (candidates.empty()) return "";
  const std::vector<std::string> near = nearest_names(name, candidates);
  if (near.empty()) return "one of: " + joined(candidates, "", ", ");
  return did_you_mean(near);
}

}  // namespace moesaic
