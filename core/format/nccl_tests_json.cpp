// The JSON output of nccl-tests (`-J FILE`), by its writer src/util.cu, JSON_FILE_VERSION 1 to 3.

#include <map>
#include <nlohmann/json.hpp>

#include "core/format/nccl_tests.h"
#include "core/schema/error.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

std::string program_of(const Field& arguments) {
  if (arguments.size() == 0) arguments.refuse("is an empty list", "the command line");
  const std::string path = arguments[0].text();
  return path.substr(path.find_last_of('/') + 1);
}

std::string joined(const Field& arguments) {
  std::string line;
  for (size_t i = 1; i < arguments.size(); ++i) line += (i > 1 ? " " : "") + arguments[i].text();
  return line;
}

/// A process lists the first of its ranks alone, all of which are on its host.
size_t ranks_of_entry(const Field& devices, ObjectReader& config) {
  const int64_t of_process = config["nthreads"].integer(kCount) * config["ngpus"].integer(kCount);
  if (devices.size() < 2) return static_cast<size_t>(of_process);
  const int64_t step =
      devices[1].object()["rank"].integer(kBytesRange) - devices[0].object()["rank"].integer(kBytesRange);
  if (step != 1 && step != of_process)
    devices.refuse("skips ranks", "an entry per rank, or one per process of " + std::to_string(of_process) + " ranks");
  return static_cast<size_t>(step);
}

void read_devices(ObjectReader config, NcclTestsTable& table) {
  const Field devices = config["devices"];
  const size_t ranks = devices.size() > 0 ? ranks_of_entry(devices, config) : 0;
  std::map<int64_t, size_t> group_sizes;
  for (size_t i = 0; i < devices.size(); ++i) {
    ObjectReader device = devices[i].object();
    const int64_t group = device["group"].integer(kBytesRange, 0);
    if (group == 0) table.hosts.insert(table.hosts.end(), ranks, device["hostname"].text());
    if (i == 0) table.device = device["device_info"].text();
    group_sizes[group] += ranks;
  }
  if (table.hosts.empty()) devices.refuse("has no rank of group 0", "a device per rank");
  for (const auto& [group, size] : group_sizes)
    if (size != table.hosts.size())
      devices.refuse("mixes rank counts: group 0 has " + std::to_string(table.hosts.size()) + ", group " +
                         std::to_string(group) + " has " + std::to_string(size),
                     "groups of as many ranks");
  table.groups = static_cast<int>(group_sizes.size());
}

/// Elements that were wrong are a figure, null where nobody looked.
void check_right(const Field& place) {
  if (!place.present() || place.json().is_null()) return;
  ObjectReader reader = place.object();
  const Field wrong = reader["nwrong"];
  if (wrong.present() && wrong.json().is_number() && wrong.number(kNotNegative) > 0)
    wrong.refuse("has " + wrong.json().dump() + " wrong elements", "0", "measure again: the collective failed");
}

NcclTestsRow read_row(ObjectReader row) {
  check_right(row["in_place"]);
  const Field out_of_place = row["out_of_place"];
  if (!out_of_place.present() || out_of_place.json().is_null())
    row.refuse("was not measured out of place", "out_of_place with time, alg_bw and bus_bw");
  check_right(out_of_place);
  ObjectReader place = out_of_place.object();
  if (place["cpu_time"].present())
    place.refuse("holds the time of the CPU", "the time of the device", "measure without -C");
  return {row["size"].integer(kBytesRange), place["time"].number(kNotNegative) / 1e6,
          place["alg_bw"].number(kNotNegative) * 1e9, place["bus_bw"].number(kNotNegative) * 1e9,
          row.file() + " " + row.pointer()};
}

}  // namespace

NcclTestsTable read_nccl_tests_json(const Json& json, const std::string& file) {
  ObjectReader reader = Field(&json, file, "").object();
  constexpr IntegerRange kVersions{1, 3};
  reader["version"].integer(kVersions);
  NcclTestsTable table;
  table.place = file;
  table.program = program_of(reader["args"]);
  table.header = joined(reader["args"]);
  table.date = reader["start_time"].text("");
  read_devices(reader["config"].object(), table);
  table.rows = reader["results"].objects(read_row);
  if (table.rows.empty()) reader["results"].refuse("is an empty list", "a row per size", "the program may have died");
  // Written last: a file without it is one of a program that ended early.
  if (!reader["out_of_bounds"].present())
    reader.refuse("has no \"out_of_bounds\", which stands at the end", "the whole output", "measure again");
  return table;
}

}  // namespace moesaic
