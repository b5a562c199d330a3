#include "experiments/07_what_does_the_embedding_partition_save/study.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/schema/object_reader.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

constexpr std::array<Embedding, 2> kBoth = {Embedding::replicated, Embedding::column_partition};
using Pair = std::array<Plan, 2>;  // in the order of kBoth

struct Figures {
  Seconds step_seconds = 0;
  Bytes peak_bytes = 0;
};

/// One sequence per rank; experts over as many ranks as divide them. 25 MB buckets, as data-parallel training has them
/// (PyTorch's default; arXiv 2006.15704).
Pair plans_of(const Model& model, const Cluster& cluster, const Profile& profile, int ranks, int64_t sequence_length,
              DType dtype) {
  Plan plan;
  plan.name = model.name + " on " + cluster.name;
  plan.model = model;
  plan.cluster = cluster;
  plan.profile = profile;
  plan.layout.ranks = ranks;
  plan.layout.ep = static_cast<int>(std::min<int64_t>(ranks, model.num_experts));
  plan.gradient_bucket_bytes = 25'000'000;
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.global_batch = ranks;
  plan.workload.sequence_length = sequence_length;
  plan.workload.compute_dtype = dtype;
  Pair pair{plan, plan};
  for (size_t i = 0; i < pair.size(); ++i) {
    pair[i].embedding = kBoth[i];
    check_plan(pair[i], plan.name);
  }
  return pair;
}

double change(double from, double to) { return to / from - 1; }

Json document_of(const Plan& plan, const std::array<Figures, 2>& figures) {
  const auto one = [&](const Figures& f) {
    return Json{{"peak_bytes", f.peak_bytes},
                {"step_seconds", f.step_seconds},
                {"tokens_per_second", static_cast<double>(plan.workload.tokens_per_step()) / f.step_seconds}};
  };
  return {
      {"hidden", plan.model.hidden},
      {"ranks", plan.layout.ranks},
      {"replicated", one(figures[0])},
      {"partitioned", one(figures[1])},
      {"memory_change", change(static_cast<double>(figures[0].peak_bytes), static_cast<double>(figures[1].peak_bytes))},
      {"speed_change", change(figures[1].step_seconds, figures[0].step_seconds)}};
}

class Study {
 public:
  Study(const EmbeddingStudy& study, const EmbeddingHooks& hooks) : study_(study), hooks_(hooks) {}

  Json run() {
    Json published = Json::array();
    for (const PublishedFigure& f : study_.published)
      published.push_back({{"hidden", f.hidden}, {"memory", f.memory}, {"speed", f.speed}, {"origin", f.origin}});
    const Json simulated = simulate_all(), executed = execute_all();
    return {{"kind", "moesaic.result/1"},
            {"experiment", study_.name},
            {"simulated_on", study_.cluster},
            {"simulated_sequence_length", study_.sequence_length},
            {"executed_sequence_length", study_.executed_sequence_length},
            {"summary", {{"simulated", changes(simulated)}, {"executed", changes(executed)}}},
            {"simulated", simulated},
            {"executed", executed},
            {"published", published}};
  }

 private:
  std::array<Figures, 2> simulate(const Pair& pair) const {
    const std::vector<Evaluation> evaluations = hooks_.evaluator->evaluate(pair);
    std::array<Figures, 2> figures;
    for (size_t i = 0; i < pair.size(); ++i) {
      if (!evaluations[i].feasible) throw InputError(pair[i].name, "", evaluations[i].reason);
      const Prediction& prediction = evaluations[i].prediction;
      figures[i] = {prediction.step_seconds, prediction.peak_bytes.at("device")};
    }
    return figures;
  }

  Json simulate_all() const {
    const Cluster cluster = hooks_.cluster(study_.cluster);
    const Profile profile = hooks_.profile(cluster);
    Json rows = Json::array();
    for (int ranks : study_.ranks)
      for (const std::string& name : study_.models) {
        const Pair pair = plans_of(hooks_.model(name), cluster, profile, ranks, study_.sequence_length, DType::bf16);
        rows.push_back(document_of(pair[0], simulate(pair)));
      }
    return rows;
  }

  /// The first model with narrower layers; the vocabulary, which the table's size and the head's work follow, stays.
  Model narrow(int64_t hidden) const {
    Model model = hooks_.model(study_.models.front());
    model.name += " at " + std::to_string(hidden);
    model.num_heads = model.num_kv_heads = 4;
    model.hidden = hidden;
    model.head_dim = hidden / 4;
    model.expert_intermediate = model.dense_intermediate = 4 * hidden;
    return model;
  }

  /// Both tables in turns, so that a slow minute meets them alike.
  Json execute_all() const {
    const Cluster machine = hooks_.cluster(study_.machine);
    const Profile profile = hooks_.profile(machine);
    Json rows = Json::array();
    int done = 0;
    const int total = static_cast<int>(study_.executed_hidden.size()) * study_.rounds;
    for (const int64_t hidden : study_.executed_hidden) {
      const Pair pair = plans_of(narrow(hidden), machine, profile, study_.executed_ranks,
                                 study_.executed_sequence_length, DType::f32);
      std::array<std::vector<double>, 2> seconds;
      std::array<Figures, 2> measured;
      for (int round = 0; round < study_.rounds; ++round, hooks_.progress(++done, total))
        for (size_t i = 0; i < pair.size(); ++i) {
          const EmbeddingRun run = hooks_.execute(pair[i], study_.steps);
          seconds[i].push_back(run.step_seconds);
          measured[i] = {median(seconds[i]), run.peak_bytes};
        }
      rows.push_back(document_of(pair[0], measured));
      rows.back()["predicted"] = document_of(pair[0], simulate(pair));
      rows.back()["rounds"] = {{"replicated_s", seconds[0]}, {"partitioned_s", seconds[1]}};
    }
    return rows;
  }

  static Json changes(const Json& rows) {
    Json list = Json::array();
    for (const Json& row : rows)
      list.push_back({{"hidden", row["hidden"]},
                      {"ranks", row["ranks"]},
                      {"memory_change", row["memory_change"]},
                      {"speed_change", row["speed_change"]}});
    return list;
  }

  const EmbeddingStudy& study_;
  const EmbeddingHooks& hooks_;
};

constexpr IntegerRange kHidden{8, 1 << 20}, kRanks{2, 1 << 16}, kLength{1, 1 << 20}, kTimes{1, 1000};

void read_simulated(ObjectReader reader, EmbeddingStudy& study) {
  study.models = reader["models"].each([](const Field& name) { return name.text(); });
  study.ranks = reader["ranks"].integers<int>(kRanks);
  if (study.models.empty()) reader.refuse("names no model", "at least one");
  study.cluster = reader["cluster"].text();
  study.sequence_length = reader["sequence_length"].integer(kLength);
  reader.finish();
}

void read_executed(ObjectReader reader, EmbeddingStudy& study) {
  study.machine = reader["cluster"].text();
  study.executed_hidden = reader["hidden"].integers(kHidden);
  study.executed_ranks = static_cast<int>(reader["ranks"].integer(kRanks));
  study.executed_sequence_length = reader["sequence_length"].integer(kLength);
  study.rounds = static_cast<int>(reader["rounds"].integer(kTimes));
  study.steps = reader["steps"].integer(kTimes);
  reader.finish();
}

PublishedFigure read_published(ObjectReader reader) {
  PublishedFigure figure{reader["hidden"].integer(kHidden), reader["memory"].text(), reader["speed"].text(),
                         reader["origin"].text()};
  reader.finish();
  return figure;
}

}  // namespace

EmbeddingStudy read_embedding_study(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  EmbeddingStudy study;
  study.name = reader["name"].text();
  study.question = reader["question"].text();
  read_simulated(reader["simulated"].object(), study);
  read_executed(reader["executed"].object(), study);
  study.published = reader["published"].objects(read_published);
  reader.finish();
  return study;
}

Json run_embedding_study(const EmbeddingStudy& study, const EmbeddingHooks& hooks) { return Study(study, hooks).run(); }

}  // namespace moesaic::experiments
