#include "cli/waits.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "core/schema/formatted.h"

namespace moesaic::cli {
namespace {

std::string names_of(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i)
    text += (i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ") + std::to_string(ranks[i]);
  return text;
}

std::string seconds_text(double seconds) { return formatted("%.1f s", seconds); }

std::vector<int> numbers(const std::string& list) {
  std::vector<int> numbers;
  std::istringstream stream(list);
  for (std::string number; std::getline(stream, number, ',');) numbers.push_back(std::atoi(number.c_str()));
  return numbers;
}

}  // namespace

std::string Waits::hear(const std::string& line) {
  std::istringstream words(line);
  std::string tag, event, missing;
  int rank = -1;
  Wait wait;
  words >> tag >> event >> rank >> wait.seconds >> missing;
  std::getline(words >> std::ws, wait.task);
  wait.missing = numbers(missing);
  if (wait.missing.empty()) return "";
  if (event == "ends") {
    begun_.erase(rank);
    if (!begun_.empty() || named_.empty()) return "";
    named_.clear();
    return "every rank answers again, after " + seconds_text(wait.seconds);
  }
  if (event != "begins") {
    (event == "times_out" ? over_ : cut_short_)[rank] = wait;
    return "";
  }
  begun_[rank] = wait;
  const std::vector<int> silent = silent_of(wait);
  const auto known = [this](int peer) { return named_.contains(peer); };
  if (std::all_of(silent.begin(), silent.end(), known) && !named_.empty()) return "";
  named_.insert(wait.missing.begin(), wait.missing.end());
  return sentence(rank, wait);
}

/// The missing ranks that do not wait themselves.
std::vector<int> Waits::silent_of(const Wait& wait) const {
  std::vector<int> silent;
  for (int peer : wait.missing)
    if (!waits(peer)) silent.push_back(peer);
  return silent;
}

/// Names the silent ranks alone where there are any: the others are held up by them.
std::string Waits::sentence(int rank, const Wait& wait) const {
  std::vector<int> blamed = silent_of(wait);
  if (blamed.empty()) blamed = wait.missing;
  const bool one = blamed.size() == 1;
  return names_of(blamed) + (one ? " has" : " have") + " not answered for " + seconds_text(wait.seconds) + "; rank " +
         std::to_string(rank) + " waits for " + (one ? "it" : "them") + " in '" + wait.task + "'";
}

std::string Waits::at_death_of(int dead) const {
  for (const auto& [rank, wait] : cut_short_)
    if (std::find(wait.missing.begin(), wait.missing.end(), dead) != wait.missing.end())
      return "; rank " + std::to_string(rank) + " was waiting for it in '" + wait.task + "'";
  return "";
}

std::string Waits::timeout() const {
  const std::pair<const int, Wait>* shown = nullptr;
  for (const auto& entry : over_)
    if (shown == nullptr || (silent_of(shown->second).empty() && !silent_of(entry.second).empty())) shown = &entry;
  for (const auto& entry : begun_)  // who is held up may have timed out before the rank next to the silent one
    if (shown != nullptr && silent_of(shown->second).empty() && !silent_of(entry.second).empty()) shown = &entry;
  return shown == nullptr ? "" : sentence(shown->first, shown->second);
}

}  // namespace moesaic::cli
