#pragma once
// What the programs of nccl-tests print: their text tables (with or without Group in the device lines) and their JSON
// (`-J`, versions 1 to 3). As curves of a profile they are read against the bytes of the busiest rank.

#include <string>
#include <vector>

#include "core/schema/documents.h"

namespace moesaic {

struct NcclTestsRow {
  Bytes size = 0;       // as printed
  Seconds seconds = 0;  // out of place
  double algorithm_bytes_per_s = 0, bus_bytes_per_s = 0;
  std::string place;  // "run.txt:12", "run.json /results/3"
  bool operator==(const NcclTestsRow&) const = default;
};

/// One run of one program.
struct NcclTestsTable {
  std::string program;  // "all_reduce_perf"
  std::string header;   // its settings, as printed
  std::string date;     // "" where the output has none
  std::string device;   // as the driver names it
  std::string place;    // where it begins
  /// The host of each rank of the first group, and the number of groups that ran side by side.
  std::vector<std::string> hosts;
  int groups = 1;
  std::vector<NcclTestsRow> rows;
};

/// All tables of one output. Throws InputError for one that ends within a table, for wrong elements (`#wrong` above 0),
/// for groups of unequal size, for columns that are missing. The program's name is read off the output, else off the
/// file's name.
std::vector<NcclTestsTable> read_nccl_tests_text(const std::string& text, const std::string& file);
NcclTestsTable read_nccl_tests_json(const Json& json, const std::string& file);

/// Bytes that the busiest of n ranks sends, which nccl-tests' size S (doc/PERFORMANCE.md) stands for:
///   all_reduce      2 S (n-1)/n, rounded up    S: the vector
///   all_gather      S (n-1)/n                  S: what all contribute together
///   reduce_scatter  S (n-1)/n                  S: the vector
///   all_to_all      S (n-1)/n                  S: what one rank sends, its own part included
Bytes busiest_bytes(const std::string& collective, int64_t num_ranks, Bytes size);

/// The same of a table. sendrecv: S, of two ranks, which is an all_to_all of both; others are refused.
/// The ratio of bus to algorithm bandwidth is that of bytes to S; a table whose ratio is another's is refused: its
/// program or its number of ranks is another one.
Bytes busiest_bytes(const NcclTestsTable& table, Bytes size);

/// The curves of all tables, one per collective, number of ranks and reach; a size that was measured more than once has
/// the median. Throws InputError where the tables are of different devices.
Profile profile_of(const std::vector<NcclTestsTable>& tables, Provenance provenance);

}  // namespace moesaic
