#include "experiments/04_when_does_hierarchical_all_to_all_win/study.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/technique/lower.h"

namespace moesaic::experiments {
namespace {

Json exchange_document() {
  return Json::parse(R"({
    "kind": "moesaic.experiment/1", "study": "hierarchical_all_to_all", "name": "a", "question": "b?",
    "links": [{"name": "wire", "transport": "threads",
               "intra_node": {"bandwidth_bytes_per_s": 1e9, "latency_s": 0},
               "nic": {"bandwidth_bytes_per_s": 1e8, "latency_s": 0, "message_s": 0.001}},
              {"name": "hosts", "transport": "emulated_hosts",
               "intra_node": {"bandwidth_bytes_per_s": 1e9, "latency_s": 0},
               "nic": {"bandwidth_bytes_per_s": 1e8, "latency_s": 0}}],
    "shapes": [{"nodes": 2, "devices_per_node": 2}],
    "pair_bytes": [256, 512], "rounds": 2, "repetitions": 3})");
}

/// Flat takes 2 ms and hierarchical 3 ms in the simulator, and 4 and 2 times the cost of a message more.
Timeline simulated_exchange(const Plan& plan) {
  Timeline timeline;
  timeline.rows = task_rows(lower(plan));
  const bool flat = plan.dispatch.all_to_all == AllToAllKind::flat;
  const Seconds end = (flat ? 0.002 : 0.003) + (flat ? 4 : 2) * plan.cluster.nic.message_s;
  for (size_t i = 0; i < timeline.rows.size(); ++i)
    if (timeline.rows[i].label.starts_with("layer 0 / forward / dispatch"))
      timeline.times.push_back({0, TaskIndex(i), 0, end});
  return timeline;
}

/// 256 bytes: flat 8 ms, hierarchical 5 ms. 512 bytes: 4 ms and 4.1 ms.
std::vector<ExchangeTimes> measured(const std::vector<Plan>& plans, Transport transport, int repetitions) {
  if (transport != Transport::threads) return {};
  EXPECT_EQ(plans.size(), 2u);
  const auto samples = [&](double seconds, int messages) {
    return ExchangeSamples{std::vector<double>(static_cast<size_t>(repetitions), seconds), messages, 2048};
  };
  return {{samples(0.008, 8), samples(0.005, 4)}, {samples(0.004, 8), samples(0.0041, 4)}};
}

ExchangeResult exchange_result() {
  Laboratory laboratory;
  laboratory.simulate = simulated_exchange;
  laboratory.exchange = measured;
  return run_exchange_study(read_exchange_axes(exchange_document(), "test"), laboratory);
}

std::vector<std::string> names(const ExchangeWinners& w) { return {w.measured, w.simulated, w.without_messages}; }

// A message costs 1 ms, so the simulator says 6 ms and 5 ms (hierarchical), without that cost 2 ms and 3 ms (flat); the
// measured winners are hierarchical and none. Errors:
// 6/8, 5/5, 6/4, 5/4.1: 0.25, 0, 0.5, 0.2195; their median is 0.2348.
TEST(ExchangeStudy, ComparesWinners) {
  const ExchangeResult made = exchange_result();
  ASSERT_EQ(made.rows.size(), 2u);
  EXPECT_EQ(names(made.rows[0].winner), (std::vector<std::string>{"hierarchical", "hierarchical", "flat"}));
  EXPECT_EQ(names(made.rows[1].winner), (std::vector<std::string>{"equal", "hierarchical", "flat"}));
  const LinksSummary& wire = made.summary.at(0);
  EXPECT_EQ(wire.hierarchical_wins, 1);
  EXPECT_EQ(wire.flat_wins, 0);
  EXPECT_EQ(wire.simulated_agrees, 1);
  EXPECT_NEAR(wire.simulated_median_error, 0.2348, 1e-4);
  EXPECT_EQ(wire.without_messages_agrees, 0);
  EXPECT_EQ(write_document(made)["summary"][1], (Json{{"links", "hosts"}, {"cases", 0}}));
}

TEST(ExchangeStudy, ShowsMeasuredAndPredictedApart) {
  const std::string tables = exchange_tables(exchange_result());
  EXPECT_NE(tables.find("| wire | 2 | 1 | 0 | 1 | 23 % | 0 |\n"), std::string::npos) << tables;
  EXPECT_NE(tables.find("| hosts | not measured here | | | | | |\n"), std::string::npos);
  EXPECT_NE(tables.find("| 2 x 2 | 256 | 8 | 4 | 8.00 | 5.00 | 6.00 | 5.00 | 2.00 | 3.00 | hierarchical | "
                        "hierarchical | flat |\n"),
            std::string::npos);
}

TEST(ExchangeStudy, RefusesWhatItDoesNotKnow) {
  Json wrong = exchange_document();
  wrong["links"][0]["transport"] = "pigeons";
  EXPECT_THROW(read_exchange_axes(wrong, "test"), InputError);
  wrong = exchange_document();
  wrong["links"][0]["nic"]["packet_bytes"] = 1500;  // threads do not cut messages
  EXPECT_THROW(read_exchange_axes(wrong, "test"), InputError);
  wrong = exchange_document();
  wrong["shapes"][0]["nodes"] = 1;
  EXPECT_THROW(read_exchange_axes(wrong, "test"), InputError);
}

}  // namespace
}  // namespace moesaic::experiments
