#include "core/format/nccl_tests.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic {
namespace {

/// A run of `ranks` ranks, `per_node` of them on each host.
std::string text_of(const std::string& program, int ranks, int per_node, const std::string& rows) {
  std::string text = "# nccl-tests version 2.17.6\n# Collective test starting: " + program +
                     "\n# nThread 1 nGpus 1 minBytes 8 maxBytes 8589934592 step: 2(factor)\n#\n# Using devices\n";
  for (int rank = 0; rank < ranks; ++rank)
    text += "#  Rank " + std::to_string(rank) + " Group  0 Pid " + std::to_string(6899 + rank) + " on node" +
            std::to_string(rank / per_node) + " device " + std::to_string(rank % per_node) +
            " [0000:04:00] NVIDIA H100 80GB HBM3\n";
  return text +
         "NCCL version 2.28.7+cuda13.0\n#\n"
         "#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   "
         "busbw "
         "#wrong\n"
         "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  "
         "(GB/s)\n" +
         rows +
         "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 70.742\n#\n# Collective test concluded: " + program +
         "\n";
}

/// Rows as published for 16 H100 of two nodes.
const std::string kAllReduceRows =
    "           8             2     float     sum      -1    135.8    0.00    0.00      0    123.5    0.00    0.00     "
    " 0\n"
    "  1073741824     268435456     float     sum      -1   6759.0  158.86  297.86      0   6737.4  159.37  298.82     "
    " 0\n"
    "  2147483648     536870912     float     sum      -1    12646  169.81  318.40      0    12641  169.88  318.52     "
    " 0\n";

Profile profile_of_text(const std::string& text, const std::string& file = "run.txt") {
  return profile_of(read_nccl_tests_text(text, file), Provenance::published);
}

std::string table_refusal(const std::string& text, const std::string& file = "run.txt") {
  try {
    profile_of_text(text, file);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

// all_reduce of S over n = 16: the busiest rank sends 2 S 15/16, rounded up: 15, 2,013,265,920 and 4,026,531,840 bytes.
TEST(NcclTests, TableBecomesACurveOfTheBytesThatTheBusiestRankSends) {
  const Profile profile = profile_of_text(text_of("all_reduce_perf", 16, 8, kAllReduceRows));
  const CollectiveCurve expected{
      "all_reduce",         16, true, {15, 2'013'265'920, 4'026'531'840}, {135.8 / 1e6, 6759.0 / 1e6, 12646 / 1e6},
      Provenance::published};
  EXPECT_EQ(profile.collectives, (std::vector<CollectiveCurve>{expected}));
  EXPECT_EQ(profile.device, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(profile.machine, "NVIDIA H100 80GB HBM3, 16 ranks on 2 nodes");
  EXPECT_EQ(profile.command,
            "all_reduce_perf (run.txt:3) nThread 1 nGpus 1 minBytes 8 maxBytes 8589934592 step: 2(factor)");
}

// Of S = 1,048,576 bytes over n = 4 in one node: 2 S 3/4 = 1,572,864; S 3/4 = 786,432 for the others.
// Bandwidths at 100 us: 10.49 GB/s, 15.73 and 7.86 over the bus.
TEST(NcclTests, SizesMeanWhatEachProgramPrints) {
  const auto bytes = [](const std::string& program, const std::string& bus) {
    const std::string row = " 1048576 262144 float none -1 100.0 10.49 " + bus + " 0 101.0 10.38 " + bus + " N/A\n";
    return profile_of_text(text_of(program, 4, 4, row)).collectives.at(0);
  };
  const auto curve = [](const char* collective, Bytes sent) {
    return CollectiveCurve{collective, 4, false, {sent}, {1e-4}, Provenance::published};
  };
  EXPECT_EQ(bytes("all_reduce_perf", "15.73"), curve("all_reduce", 1'572'864));
  EXPECT_EQ(bytes("all_gather_perf", "7.86"), curve("all_gather", 786'432));
  EXPECT_EQ(bytes("reduce_scatter_perf", "7.86"), curve("reduce_scatter", 786'432));
  EXPECT_EQ(bytes("alltoall_perf", "7.86"), curve("all_to_all", 786'432));
}

// A rank of two sends all S bytes to the other; of four it would be a shift, which is no collective of a plan.
TEST(NcclTests, SendReceiveOfTwoRanksIsTheirAllToAll) {
  const std::string row = " 1048576 262144 float -1 100.0 10.49 10.49 0 101.0 10.38 10.38 N/A\n";
  EXPECT_EQ(profile_of_text(text_of("sendrecv_perf", 2, 1, row)).collectives.at(0),
            (CollectiveCurve{"all_to_all", 2, true, {1'048'576}, {1e-4}, Provenance::published}));
  EXPECT_NE(table_refusal(text_of("sendrecv_perf", 4, 4, row)).find("sendrecv of 4 ranks is a shift"),
            std::string::npos);
}

TEST(NcclTests, RunsOfOneCollectiveShareACurveAndRepeatedSizesHaveTheMedian) {
  const auto row = [](const char* size, const char* time) {
    return std::string(" ") + size + " 0 float sum -1 " + time + " 0.00 0.00 0 1.0 0.00 0.00 0\n";
  };
  const Profile profile = profile_of_text(text_of("all_reduce_perf", 2, 2, row("64", "30") + row("128", "50")) +
                                          text_of("all_reduce_perf", 2, 2, row("64", "10")) +
                                          text_of("all_reduce_perf", 2, 2, row("64", "20")) +
                                          text_of("all_reduce_perf", 4, 2, row("64", "70")));
  EXPECT_EQ(profile.collectives,
            (std::vector<CollectiveCurve>{{"all_reduce", 2, false, {64, 128}, {2e-5, 5e-5}, Provenance::published},
                                          {"all_reduce", 4, true, {96}, {7e-5}, Provenance::published}}));
}

TEST(NcclTests, ReadsOlderAndWiderForms) {
  // No Group, no name of the program but the file's, no redop and root, tags of mpirun; a column of per-iteration times
  // and time stamps.
  std::string text =
      text_of("X", 2, 2, " 1024 256 float 12.5 0.08 0.04 7 0e+00 3 12.0 0.09 0.04 8 N/A 2 2026-01-01 10:00:00\n");
  const auto replace = [&](const std::string& old, const std::string& with) {
    for (size_t at = 0; (at = text.find(old, at)) != std::string::npos; at += with.size())
      text.replace(at, old.size(), with);
  };
  replace("# Collective test starting: X\n", "");
  replace("# Collective test concluded: X\n", "");
  replace(" Group  0", "");
  replace("algbw   busbw #wrong     time   algbw   busbw #wrong",
          "algbw busbw i_min #wrong i_max time algbw busbw i_min #wrong i_max timestamp");
  replace("\n", "\n[1,0]<stdout>:");
  EXPECT_EQ(profile_of_text(text, "logs/alltoall_perf.log").collectives,
            (std::vector<CollectiveCurve>{{"all_to_all", 2, false, {512}, {12.5e-6}, Provenance::published}}));
  EXPECT_NE(table_refusal(text).find("does not say which program"), std::string::npos);
}

TEST(NcclTests, RefusesWhatCannotBeTrusted) {
  const std::string good = text_of("all_reduce_perf", 16, 8, kAllReduceRows);
  const auto with = [&](const std::string& old, const std::string& other) {
    std::string text = good;
    return text.replace(text.find(old), old.size(), other);
  };
  const auto expect = [](const std::string& text, const std::string& reason) {
    const std::string found = table_refusal(text);
    EXPECT_NE(found.find(reason), std::string::npos) << found;
  };
  expect(with("297.86      0", "297.86      3"), "run.txt:27: has 3 wrong elements");
  expect(with("298.82      0", "298.82      2"), "run.txt:27: has 2 wrong elements");
  expect(with("0 OK", "5 FAILED"), "wrong values");
  expect(good.substr(0, good.find("# Avg")), "the table has no end");
  expect(good.substr(0, good.find("# Avg")) + good, "the table has no end");
  expect(with("#  Rank 15 Group  0", "#  Rank 15 Group  1"), "mixes rank counts: group 0 has 15, group 1 has 1");
  // Without a rank's line 15 ranks are counted, whose ratio is 28/15 = 1.867; 297.86 / 158.86 = 1.875 is within 2 %, so
  // without eight of them: 2 * 7/8 = 1.75.
  std::string half = good;
  for (int rank = 8; rank < 16; ++rank) {
    const size_t at = half.find("#  Rank " + std::to_string(rank));
    half.erase(at, half.find('\n', at) + 1 - at);
  }
  expect(half, "busbw / algbw is 1.875; expected 1.750, for all_reduce_perf on 8 ranks");
  expect(with("all_reduce_perf", "all_gather_perf"), "busbw / algbw is 1.875");
  expect(with("all_reduce_perf", "broadcast_perf"), "\"broadcast_perf\" measures no collective of a plan");
  expect(with("6759.0  158.86", "158.86"), "column time is \"-1\"");
  expect(with("   6759.0", "      abc"), "column time is \"abc\"");
  expect("nothing", "holds no table of nccl-tests");
}

Json json_run() {
  return Json::parse(R"({"version": 2, "start_time": "2026-01-31 10:11:12",
    "args": ["./build/reduce_scatter_perf", "-b", "8", "-J", "out.json"], "env": ["SECRET=1"], "nccl_version": 22807,
    "config": {"nthreads": 1, "ngpus": 4, "devices": [
      {"rank": 0, "group": 0, "hostname": "a", "device": 0, "device_info": "NVIDIA H200"},
      {"rank": 4, "group": 0, "hostname": "b", "device": 0, "device_info": "NVIDIA H200"}]},
    "results": [{"size": 1048576, "count": 32768, "type": "float", "redop": "sum", "root": "-1",
      "out_of_place": {"time": 50.0, "alg_bw": 20.97, "bus_bw": 18.35, "nwrong": 0.0},
      "in_place": {"time": 49.0, "alg_bw": 21.4, "bus_bw": 18.7, "nwrong": null},
      "actual_iterations": 20, "experiment_name": "x"}],
    "out_of_bounds": {"count": 0, "okay": "true"}})");
}

// S = 1,048,576 over 8 ranks, two processes of four: S 7/8 = 917,504.
TEST(NcclTests, JsonListsAProcessOnce) {
  const Profile profile = profile_of({read_nccl_tests_json(json_run(), "out.json")}, Provenance::measured);
  EXPECT_EQ(profile.collectives,
            (std::vector<CollectiveCurve>{{"reduce_scatter", 8, true, {917'504}, {5e-5}, Provenance::measured}}));
  EXPECT_EQ(profile.date, "2026-01-31 10:11:12");
  EXPECT_EQ(profile.command, "reduce_scatter_perf (out.json) -b 8 -J out.json");
}

TEST(NcclTests, JsonIsRefusedWhereItIsWrong) {
  const auto expect = [](const char* pointer, const Json& value, const std::string& reason) {
    Json json = json_run();
    if (value == "absent")
      json.erase(pointer + 1);
    else
      json[Json::json_pointer(pointer)] = value;
    try {
      read_nccl_tests_json(json, "out.json");
      ADD_FAILURE() << reason;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
  };
  expect("/results/0/in_place/nwrong", 4.0, "/results/0/in_place/nwrong: has 4.0 wrong elements");
  expect("/results/0/out_of_place", nullptr, "was not measured out of place");
  expect("/results/0/out_of_place/cpu_time", 1.0, "holds the time of the CPU");
  expect("/out_of_bounds", "absent", "has no \"out_of_bounds\"");
  expect("/results", Json::array(), "is an empty list");
  expect("/config/devices/1/rank", 2, "skips ranks");
  expect("/version", 9, "/version");
}

}  // namespace
}  // namespace moesaic
