#include "experiments/12_do_gpu_predictions_hold/exchanged.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "experiments/12_do_gpu_predictions_hold/study.h"
#include "tests/experiments/12_do_gpu_predictions_hold/world.h"

namespace moesaic::experiments {
namespace {

ExchangedConfiguration between_four() { return {"somebody's", "x", 1, 4, 4 * 10'000, 2e-3}; }

struct ExchangeWorld : testing::PredictionWorld {
  ExchangeWorld() {
    laboratory.cluster = [](const std::string&) {
      Cluster cluster;
      cluster.num_nodes = 1, cluster.devices_per_node = 4;
      cluster.intra_node = {1e7, 0}, cluster.nic = {1e6, 0};
      return cluster;
    };
    // The dispatch begins behind the router and takes 1 ms.
    laboratory.simulate = [](const Plan&) {
      Timeline timeline;
      timeline.rows = {{"layer 0 / forward / router", Op::router, Lane::compute, Phase::forward, 0},
                       {"layer 0 / forward / dispatch", Op::all_to_all, Lane::network, Phase::forward, 0}};
      timeline.times = {{0, 0, 0, 0.5}, {0, 1, 0.5, 0.501}};
      return timeline;
    };
  }
};

// 10,000 bytes a pair are 39.06 rows of 256: 39.
TEST(ExchangedPlan, HasWholeRowsForEveryPair) {
  ExchangeWorld world;
  const Plan plan = exchanged_plan(between_four(), world.laboratory);
  EXPECT_EQ(plan.layout.ep, 4);
  EXPECT_EQ(plan.workload.sequence_length, 4 * 39);
}

// 30,000 of 40,000 bytes leave a rank: 3 ms at 10 MB/s inside the node; were there two nodes, 30 ms at 1 MB/s.
TEST(ExchangedPlan, NullModelIsBytesOverTheRate) {
  ExchangeWorld world;
  ExchangedConfiguration exchanged = between_four();
  const Plan plan = exchanged_plan(exchanged, world.laboratory);
  EXPECT_DOUBLE_EQ(exchange_bytes_over_rate(plan, exchanged), 3e-3);
  exchanged.nodes = 2, exchanged.devices_per_node = 2;
  EXPECT_DOUBLE_EQ(exchange_bytes_over_rate(plan, exchanged), 30e-3);
}

TEST(PredictionStudy, ComparesExchanges) {
  ExchangeWorld world;
  const PredictionResult result = run_prediction_study({"12", {}, {}, {between_four()}}, world.laboratory);
  ASSERT_EQ(result.exchanged.size(), 1U);
  EXPECT_NEAR(result.exchanged[0].error(), -0.5, 1e-9);
  EXPECT_NEAR(result.exchanged[0].null_error(), 0.5, 1e-9);
  EXPECT_EQ(result.exchanged_summary.rows, 1);
  EXPECT_NE(prediction_tables(result).find("| somebody's | x | 1 x 4 | 40000 | 2000 | 1000 | -50.0 | +50.0 |"),
            std::string::npos)
      << prediction_tables(result);
  EXPECT_EQ(write_document(read_document<PredictionResult>(write_document(result), "again")), write_document(result));
}

}  // namespace
}  // namespace moesaic::experiments
