#include "experiments/studies.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "experiments/01_does_the_simulator_predict_the_executor/study.h"
#include "experiments/02_semoe_training_table/study.h"
#include "experiments/02b_does_semoe_win_here/study.h"
#include "experiments/03_which_experts_stay_in_host_memory/study.h"
#include "experiments/04_when_does_hierarchical_all_to_all_win/study.h"
#include "experiments/06_does_elastic_training_pay/study.h"
#include "experiments/07_what_does_the_embedding_partition_save/study.h"
#include "experiments/08_what_does_2d_prefetch_hide/study.h"
#include "experiments/10_what_does_each_layout_cost/study.h"
#include "experiments/12_do_gpu_predictions_hold/study.h"
#include "experiments/14_how_well_are_gpu_prices_read/study.h"
#include "experiments/15_what_does_simulating_cost/study.h"

namespace moesaic::experiments {
namespace {

namespace fs = std::filesystem;

const fs::path kExperiments = MOESAIC_SOURCE_DIR "/experiments";

Json committed(const std::string& folder, const std::string& file = "result.json") {
  return read_json((kExperiments / folder / file).string());
}

template <typename Result>
std::string read_and_written(const std::string& folder) {
  return write_document(read_document<Result>(committed(folder), folder)).dump();
}

TEST(Studies, ADocumentNamesItsStudy) {
  const auto found = [](const char* member) {
    return study_of(Json::parse(std::string(R"({"kind": "moesaic.experiment/1")") + member + "}"), "experiment.json");
  };
  EXPECT_EQ(found(R"(, "study": "fidelity")"), &kFidelityStudy);
  EXPECT_EQ(found(R"(, "study": "layouts")"), &kLayoutStudy);
  EXPECT_EQ(found(""), nullptr);
  try {
    found(R"(, "study": "layout")");
    FAIL() << "not refused";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find(R"(did you mean "layouts")"), std::string::npos) << error.what();
  }
}

TEST(Studies, CommittedReadmesShowTheirResults) {
  int shown = 0;
  for (const auto& entry : fs::directory_iterator(kExperiments)) {
    const std::string folder = entry.path().filename();
    if (!fs::exists(entry.path() / "experiment.json")) continue;
    const Study* study = study_of(committed(folder, "experiment.json"), folder);
    if (study == nullptr) continue;
    ++shown;
    std::ifstream file(entry.path() / "README.md");
    const std::string readme{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    EXPECT_NE(
        readme.find("<!-- result: begin -->\n" + study->tables(committed(folder), folder) + "<!-- result: end -->"),
        std::string::npos)
        << folder;
  }
  EXPECT_EQ(shown, 15);
}

// 09 has members of its summary in another order, as they were added to it.
TEST(Studies, CommittedResultsAreWrittenAsTheyAreRead) {
  const std::pair<std::string, std::string (*)(const std::string&)> kResults[] = {
      {"01_does_the_simulator_predict_the_executor", read_and_written<FidelityResult>},
      {"02_semoe_training_table", read_and_written<TableResult>},
      {"02b_does_semoe_win_here", read_and_written<PresetsHereResult>},
      {"03_which_experts_stay_in_host_memory", read_and_written<ExpertCacheResult>},
      {"04_when_does_hierarchical_all_to_all_win", read_and_written<ExchangeResult>},
      {"06_does_elastic_training_pay", read_and_written<ElasticResult>},
      {"07_what_does_the_embedding_partition_save", read_and_written<EmbeddingResult>},
      {"08_what_does_2d_prefetch_hide", read_and_written<GridResult>},
      {"10_what_does_each_layout_cost", read_and_written<LayoutResult>},
      {"12_do_gpu_predictions_hold", read_and_written<PredictionResult>},
      {"14_how_well_are_gpu_prices_read", read_and_written<ReadingResult>},
      {"15_what_does_simulating_cost", read_and_written<CostResult>}};
  for (const auto& [folder, written] : kResults) EXPECT_EQ(written(folder), committed(folder).dump()) << folder;
  const std::string nine = "09_does_it_predict_where_states_live";
  EXPECT_EQ(nlohmann::json::parse(read_and_written<FidelityResult>(nine)),
            nlohmann::json::parse(committed(nine).dump()));
}

TEST(Studies, FittedConstantsAreADocumentOfTheirOwn) {
  const Json constants = committed("02_semoe_training_table", "fitted_constants.json");
  Json whole = committed("02_semoe_training_table");
  whole[kTableStudy.own_document] = constants;
  const Json written = write_document(read_document<TableResult>(whole, "result.json"));
  EXPECT_EQ(written["fitted_constants"].dump(), constants.dump());
}

}  // namespace
}  // namespace moesaic::experiments
