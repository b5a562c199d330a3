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

EmbeddingFigures figures_of(const Plan& plan, const Figures& f) {
  return {f.peak_bytes, f.step_seconds, static_cast<double>(plan.workload.tokens_per_step()) / f.step_seconds};
}

EmbeddingComparison comparison_of(const Plan& plan, const std::array<Figures, 2>& figures) {
  return {plan.model.hidden,
          plan.layout.ranks,
          figures_of(plan, figures[0]),
          figures_of(plan, figures[1]),
          change(static_cast<double>(figures[0].peak_bytes), static_cast<double>(figures[1].peak_bytes)),
          change(figures[1].step_seconds, figures[0].step_seconds)};
}

EmbeddingChange change_of(const EmbeddingComparison& c) { return {c.hidden, c.ranks, c.memory_change, c.speed_change}; }

class EmbeddingRun {
 public:
  EmbeddingRun(const EmbeddingAxes& axes, const Laboratory& laboratory) : axes_(axes), laboratory_(laboratory) {}

  EmbeddingResult result() const {
    EmbeddingResult result;
    result.experiment = axes_.name;
    result.simulated_on = axes_.cluster;
    result.simulated_sequence_length = axes_.sequence_length;
    result.executed_sequence_length = axes_.executed_sequence_length;
    result.simulated = simulate_all();
    result.executed = execute_all();
    for (const EmbeddingComparison& row : result.simulated) result.summary.simulated.push_back(change_of(row));
    for (const ExecutedComparison& row : result.executed) result.summary.executed.push_back(change_of(row.measured));
    result.published = axes_.published;
    return result;
  }

 private:
  std::array<Figures, 2> simulate(const Pair& pair) const {
    const std::vector<Evaluation> evaluations = laboratory_.evaluator->evaluate(pair);
    std::array<Figures, 2> figures;
    for (size_t i = 0; i < pair.size(); ++i) {
      if (!evaluations[i].feasible) throw InputError(pair[i].name, "", evaluations[i].reason);
      const Prediction& prediction = evaluations[i].prediction;
      figures[i] = {prediction.step_seconds, prediction.peak_bytes.at("device")};
    }
    return figures;
  }

  std::vector<EmbeddingComparison> simulate_all() const {
    const Cluster cluster = laboratory_.cluster(axes_.cluster);
    const Profile profile = laboratory_.profile(cluster);
    std::vector<EmbeddingComparison> rows;
    for (int ranks : axes_.ranks)
      for (const std::string& name : axes_.models) {
        const Pair pair =
            plans_of(laboratory_.model(name), cluster, profile, ranks, axes_.sequence_length, DType::bf16);
        rows.push_back(comparison_of(pair[0], simulate(pair)));
      }
    return rows;
  }

  /// The first model with narrower layers; the vocabulary, which the table's size and the head's work follow, stays.
  Model narrow(int64_t hidden) const {
    Model model = laboratory_.model(axes_.models.front());
    model.name += " at " + std::to_string(hidden);
    model.num_heads = model.num_kv_heads = 4;
    model.hidden = hidden;
    model.head_dim = hidden / 4;
    model.expert_intermediate = model.dense_intermediate = 4 * hidden;
    return model;
  }

  /// Both tables in turns, so that a slow minute meets them alike.
  std::vector<ExecutedComparison> execute_all() const {
    const Cluster machine = laboratory_.cluster(axes_.machine);
    const Profile profile = laboratory_.profile(machine);
    std::vector<ExecutedComparison> rows;
    int done = 0;
    const int total = static_cast<int>(axes_.executed_hidden.size()) * axes_.rounds;
    for (const int64_t hidden : axes_.executed_hidden) {
      const Pair pair =
          plans_of(narrow(hidden), machine, profile, axes_.executed_ranks, axes_.executed_sequence_length, DType::f32);
      std::array<std::vector<double>, 2> seconds;
      std::array<Figures, 2> measured;
      for (int round = 0; round < axes_.rounds; ++round, laboratory_.progress(++done, total, "executions"))
        for (size_t i = 0; i < pair.size(); ++i) {
          const Execution run = laboratory_.execute(pair[i], axes_.steps, Way::pinned);
          seconds[i].push_back(run.step_seconds);
          measured[i] = {median(seconds[i]), run.peak_device_bytes};
        }
      rows.push_back(
          {comparison_of(pair[0], measured), comparison_of(pair[0], simulate(pair)), {seconds[0], seconds[1]}});
    }
    return rows;
  }

  const EmbeddingAxes& axes_;
  const Laboratory& laboratory_;
};

constexpr IntegerRange kHidden{8, 1 << 20}, kRanks{2, 1 << 16}, kLength{1, 1 << 20}, kTimes{1, 1000};

void read_simulated(ObjectReader reader, EmbeddingAxes& axes) {
  axes.models = reader["models"].each([](const Field& name) { return name.text(); });
  axes.ranks = reader["ranks"].integers<int>(kRanks);
  if (axes.models.empty()) reader.refuse("names no model", "at least one");
  axes.cluster = reader["cluster"].text();
  axes.sequence_length = reader["sequence_length"].integer(kLength);
  reader.finish();
}

void read_executed(ObjectReader reader, EmbeddingAxes& axes) {
  axes.machine = reader["cluster"].text();
  axes.executed_hidden = reader["hidden"].integers(kHidden);
  axes.executed_ranks = static_cast<int>(reader["ranks"].integer(kRanks));
  axes.executed_sequence_length = reader["sequence_length"].integer(kLength);
  axes.rounds = static_cast<int>(reader["rounds"].integer(kTimes));
  axes.steps = reader["steps"].integer(kTimes);
  reader.finish();
}

PublishedFigure read_published(ObjectReader reader) {
  PublishedFigure figure{reader["hidden"].integer(kHidden), reader["memory"].text(), reader["speed"].text(),
                         reader["origin"].text()};
  reader.finish();
  return figure;
}

}  // namespace

EmbeddingAxes read_embedding_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  EmbeddingAxes axes;
  axes.name = reader["name"].text();
  read_simulated(reader["simulated"].object(), axes);
  read_executed(reader["executed"].object(), axes);
  axes.published = reader["published"].objects(read_published);
  reader.finish();
  return axes;
}

EmbeddingResult run_embedding_study(const EmbeddingAxes& axes, const Laboratory& laboratory) {
  return EmbeddingRun(axes, laboratory).result();
}

const Study kEmbeddingStudy =
    typed_study<read_embedding_axes, run_embedding_study, embedding_tables>("embedding_partition");

}  // namespace moesaic::experiments
