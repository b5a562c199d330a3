#include "core/format/pytorch_exchanges.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/model_limits.h"

namespace moesaic {
namespace {

struct Event {
  Exchange exchange;
  std::string group;
  int64_t rank = 0;
  std::optional<int64_t> sequence;
  double microseconds = 0;
};

/// As much of a text as an error repeats.
std::string beginning_of(const std::string& text) {
  constexpr size_t kRepeated = 80;  // bytes
  if (text.size() <= kRepeated) return text;
  size_t end = kRepeated;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a character of UTF-8
  return text.substr(0, end) + " ...";
}

std::vector<int64_t> read_splits(const Field& splits, const std::string& file) {
  if (!splits.json().is_string()) return splits.integers(kRoutedRows);
  const std::string text = splits.text();
  if (text.find("...") != std::string::npos)
    splits.refuse("is cut short: " + beginning_of(text), "the split of every rank",
                  "the profiler shortens long lists: trace fewer ranks");
  Json list;
  try {
    list = parse_json(text, file);
  } catch (const InputError&) {
    splits.refuse("is \"" + beginning_of(text) + "\"", "a list such as \"[4, 12]\"");
  }
  return Field(&list, file, splits.pointer()).integers(kRoutedRows);
}

/// Nothing for events of other kinds, which have members of their own.
std::optional<Event> read_event(const Field& field, const std::string& file) {
  const Json& json = field.json();
  if (!json.is_object() || json.value("name", Json()) != "record_param_comms" || !json.contains("args")) return {};
  ObjectReader reader = field.object();
  ObjectReader args = reader["args"].object();
  if (args["Collective name"].text("") != "all_to_allv") return {};
  Event event;
  event.group = args["Process Group Name"].text("");
  event.rank = args["Rank"].integer(kBytesRange);
  if (args["Seq"].present()) event.sequence = args["Seq"].integer({});
  event.microseconds = reader["ts"].number(kNotNegative);
  event.exchange = {read_splits(args["In split size"], file), read_splits(args["Out split size"], file),
                    field.pointer()};
  return event;
}

/// The events of the group that is asked for, or of the only one.
std::vector<Event> events_of(const Field& all, const std::string& file, const std::string& group) {
  std::vector<Event> events;
  std::set<std::string> groups;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::optional<Event> event = read_event(all[i], file);
    if (!event) continue;
    groups.insert(event->group);
    if (group.empty() || event->group == group) events.push_back(*event);
  }
  std::string names;
  for (const std::string& name : groups) names += (names.empty() ? "\"" : ", \"") + name + "\"";
  if (group.empty() && groups.size() > 1)
    all.refuse("has exchanges of several groups: " + names, "those of one", "name the group of the experts");
  if (events.empty() && !groups.empty()) all.refuse("has no all_to_allv of group \"" + group + "\"", "one of " + names);
  if (events.empty())
    all.refuse("has no all_to_allv", "events \"record_param_comms\" with \"Collective name\": \"all_to_allv\"",
               "trace with the communication's parameters recorded, and exchanges of unequal splits");
  return events;
}

}  // namespace

RankExchanges read_exchanges(const Json& trace, const std::string& file, const std::string& group) {
  ObjectReader reader = Field(&trace, file, "").object();
  const Field all = reader["traceEvents"];
  std::vector<Event> events = events_of(all, file, group);
  const bool numbered =
      std::all_of(events.begin(), events.end(), [](const Event& event) { return event.sequence.has_value(); });
  std::stable_sort(events.begin(), events.end(), [&](const Event& a, const Event& b) {
    return numbered ? *a.sequence < *b.sequence : a.microseconds < b.microseconds;
  });
  RankExchanges found{file, events.front().rank, {}};
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].rank != found.rank)
      all.refuse("has events of ranks " + std::to_string(found.rank) + " and " + std::to_string(events[i].rank),
                 "one rank per trace");
    if (numbered && i > 0 && events[i].sequence == events[i - 1].sequence) {
      const Exchange &own = events[i].exchange, &before = events[i - 1].exchange;
      if (own.sent != before.sent || own.received != before.received)
        throw InputError(file, own.pointer, "has the sequence number of " + before.pointer + " and other splits",
                         "one exchange of a number", "name the group of the experts");
      continue;
    }
    found.exchanges.push_back(events[i].exchange);
  }
  return found;
}

}  // namespace moesaic
