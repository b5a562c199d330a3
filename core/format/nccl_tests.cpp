#include "core/format/nccl_tests.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "core/operators/operator.h"
#include "core/schema/error.h"
#include "core/schema/formatted.h"
#include "core/schema/nearest_name.h"

namespace moesaic {
namespace {

struct Program {
  const char* name;
  const char* collective;
};
constexpr const char* kSendReceive = "sendrecv_perf";
constexpr Program kPrograms[] = {{"all_reduce_perf", "all_reduce"},
                                 {"all_gather_perf", "all_gather"},
                                 {"reduce_scatter_perf", "reduce_scatter"},
                                 {"alltoall_perf", "all_to_all"},
                                 {kSendReceive, "all_to_all"}};

const Program& program_of(const NcclTestsTable& table) {
  std::vector<std::string> names;
  for (const Program& program : kPrograms) {
    if (table.program == program.name) return program;
    names.emplace_back(program.name);
  }
  throw InputError(table.place, "", "\"" + table.program + "\" measures no collective of a plan", "",
                   suggestion(table.program, names));
}

int64_t ranks_of(const NcclTestsTable& table) { return static_cast<int64_t>(table.hosts.size()); }

size_t nodes_of(const NcclTestsTable& table) { return std::set(table.hosts.begin(), table.hosts.end()).size(); }

void check_ranks(const NcclTestsTable& table) {
  const int64_t n = ranks_of(table);
  if (n < 2) throw InputError(table.place, "", "is of one rank, which sends nothing", "two ranks or more");
  if (table.program == kSendReceive && n != 2)
    throw InputError(table.place, "", "sendrecv of " + std::to_string(n) + " ranks is a shift, which no plan does",
                     "two ranks", "leave it out");
}

/// Printed bandwidths have two decimals of 1 GB/s, so a small one says too little.
void check_ratio(const NcclTestsTable& table, const NcclTestsRow& row) {
  constexpr double kLeastBytesPerSecond = 1e9, kTolerance = 0.02;
  if (row.algorithm_bytes_per_s < kLeastBytesPerSecond || row.size == 0) return;
  const double printed = row.bus_bytes_per_s / row.algorithm_bytes_per_s,
               derived = static_cast<double>(busiest_bytes(table, row.size)) / static_cast<double>(row.size);
  if (std::abs(printed / derived - 1) > kTolerance)
    throw InputError(row.place, "", formatted("busbw / algbw is %.3f", printed),
                     formatted("%.3f, for %s on %lld ranks", derived, table.program.c_str(),
                               static_cast<long long>(ranks_of(table))),
                     "the table is of another program or of another number of ranks than the lines above it say");
}

Seconds median(std::vector<Seconds> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

using CurveKey = std::tuple<std::string, int, bool>;  // collective, ranks, crosses nodes
using Points = std::map<Bytes, std::vector<Seconds>>;

std::map<CurveKey, Points> points_of(const std::vector<NcclTestsTable>& tables) {
  std::map<CurveKey, Points> curves;
  for (const NcclTestsTable& table : tables) {
    const Program& program = program_of(table);
    check_ranks(table);
    Points& points = curves[{program.collective, static_cast<int>(ranks_of(table)), nodes_of(table) > 1}];
    for (const NcclTestsRow& row : table.rows) {
      check_ratio(table, row);
      points[busiest_bytes(table, row.size)].push_back(row.seconds);
    }
    if (points.rbegin()->first == 0)
      throw InputError(table.place, "", "moves no bytes", "sizes above the number of ranks");
  }
  return curves;
}

/// Each line once, in order.
void add_line(std::string& text, const std::string& line) {
  if (line.empty() || ("; " + text + "; ").find("; " + line + "; ") != std::string::npos) return;
  text += (text.empty() ? "" : "; ") + line;
}

}  // namespace

Bytes busiest_bytes(const std::string& collective, int64_t n, Bytes size) {
  return collective == name_of(Op::all_reduce) ? (2 * size * (n - 1) + n - 1) / n : size / n * (n - 1);
}

Bytes busiest_bytes(const NcclTestsTable& table, Bytes size) {
  return table.program == kSendReceive ? size : busiest_bytes(program_of(table).collective, ranks_of(table), size);
}

Profile profile_of(const std::vector<NcclTestsTable>& tables, Provenance provenance) {
  Profile profile;
  profile.name = "nccl-tests";
  for (const NcclTestsTable& table : tables) {
    if (!profile.device.empty() && table.device != profile.device)
      throw InputError(table.place, "", "was measured on '" + table.device + "', others on '" + profile.device + "'",
                       "one kind of device", "import the files of each device by themselves");
    profile.device = table.device;
    add_line(profile.machine, formatted("%s, %zu ranks on %zu %s", table.device.c_str(), table.hosts.size(),
                                        nodes_of(table), nodes_of(table) > 1 ? "nodes" : "node") +
                                  (table.groups > 1 ? formatted(", %d groups at once", table.groups) : ""));
    add_line(profile.command, table.program + " (" + table.place + ") " + table.header);
    add_line(profile.date, table.date);
  }
  for (const auto& [key, points] : points_of(tables)) {
    const auto& [collective, ranks, crosses] = key;
    CollectiveCurve curve{collective, ranks, crosses, {}, {}, provenance};
    for (const auto& [bytes, seconds] : points) {
      curve.bytes.push_back(bytes);
      curve.seconds.push_back(median(seconds));
    }
    profile.collectives.push_back(std::move(curve));
  }
  return profile;
}

}  // namespace moesaic
