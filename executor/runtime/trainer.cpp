#include "executor/runtime/trainer.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "core/graph/holdings.h"
#include "core/graph/stages.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/runtime/rank_step.h"
#include "executor/runtime/threads.h"

namespace moesaic::executor {
namespace {

void initialise_weights(const TaskGraph& graph, const Plan& plan, int rank, TensorStore& tensors) {
  std::set<std::string> norms;
  for (const Parameter& parameter : graph.parameters)
    if (!parameter.decay) norms.insert(parameter.name);
  for (const Holding& holding : holdings_of(graph, rank, State::weight))
    for (const Piece& piece : holding.pieces)
      initialise(piece, norms.contains(piece.tensor), plan.model.hidden, plan.workload.seed,
                 tensors.resident(holding.tensor).f32());
}

TensorId tensor_named(const TaskGraph& graph, const std::string& name) {
  for (size_t i = 0; i < graph.tensors.size(); ++i)
    if (graph.tensors[i].name == name) return static_cast<TensorId>(i);
  throw InvariantError(__FILE__, __LINE__, "tensor", "no tensor named " + name);
}

/// This rank's sequences of every microbatch; see docs/training_model.md for who gets which. In a pipeline the first
/// stage has inputs, the last one targets.
void load_batch(const TaskGraph& graph, const Plan& plan, int rank, int64_t step, const Corpus& corpus,
                TensorStore& tensors) {
  const int64_t length = plan.workload.sequence_length;
  std::vector<int32_t> inputs(static_cast<size_t>(length)), targets(inputs.size());
  for (int microbatch = 0; microbatch < plan.layout.micro_batches; ++microbatch) {
    const auto input = [&](const std::string& name) {
      return tensors.resident(tensor_named(graph, name + "." + std::to_string(microbatch))).i32();
    };
    int32_t *input_rows = input("tokens"), *target_rows = input("targets");
    const auto append = [&](const std::vector<int32_t>& sequence, int32_t*& rows) {
      if (rows != nullptr) rows = std::copy(sequence.begin(), sequence.end(), rows);
    };
    for (const SequenceRange& range : local_batch(plan, rank, microbatch))
      for (int64_t i = 0; i < range.count; ++i) {
        corpus.sequence(plan.workload.seed, step, range.first + i, length, inputs.data(), targets.data());
        append(inputs, input_rows);
        append(targets, target_rows);
      }
  }
}

/// Models that route by task: rows of this rank's slots, the same in every microbatch.
void load_task_rows(const TaskGraph& graph, const Plan& plan, int rank, TensorStore& tensors) {
  if (!plan.model.routed_by_task) return;
  const std::vector<int64_t> rows = task_counts(plan, graph.placement[0], 0).slot_rows(rank);
  std::copy(rows.begin(), rows.end(), tensors.resident(tensor_named(graph, "task_rows")).i32());
}

/// All ranks' copies of a vector of equal length, [ranks * values.size()].
template <typename T>
std::vector<T> gather(Communicator& control, int64_t sequence, const std::vector<T>& values, Watch& watch) {
  std::vector<T> all(values.size() * static_cast<size_t>(control.size()));
  watch.wait(*control.all_gather(sequence, values.data(), static_cast<int64_t>(values.size() * sizeof(T)), all.data()),
             "collection of results");
  return all;
}

size_t median_step(const std::vector<Seconds>& seconds) {
  const size_t first = seconds.size() > 1 ? 1 : 0;  // the first step creates the kernels
  std::vector<size_t> order(seconds.size() - first);
  std::iota(order.begin(), order.end(), first);
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(order.size() / 2), order.end(),
                   [&](size_t a, size_t b) { return seconds[a] < seconds[b]; });
  return order[order.size() / 2];
}

/// The step as a rank runs it, and what the step of all ranks calls its tasks.
struct RankProgram {
  RankProgram(const Plan& plan, int rank) : RankProgram(lower(plan), rank) {}
  RankProgram(TaskGraph all, int rank) : rows(task_rows(all)), graph(graph_of_rank(std::move(all), rank, &origin)) {}

  std::vector<TaskRow> rows;      // of all ranks' tasks
  std::vector<TaskIndex> origin;  // [tasks of graph] -> index into rows
  TaskGraph graph;
};

class Job {
 public:
  Job(const Plan& plan, int rank, Backend& backend, Transport& transport, const TrainOptions& options)
      : plan_(plan),
        rank_(rank),
        program_(plan, rank),
        graph_(program_.graph),
        step_(graph_, plan, rank, backend, transport, options.storage_folder),
        checkpoint_(options.checkpoint, plan, graph_, rank, step_.tensors(), step_.experts(), transport) {
    initialise_weights(graph_, plan, rank, step_.tensors());
    load_task_rows(graph_, plan, rank, step_.tensors());
  }

  TrainResult run(const Corpus& corpus, const TrainOptions& options) {
    result_.start = checkpoint_.start();
    const auto check = [&] {
      options.check();
      checkpoint_.poll();
    };
    watch_ = Watch(rank_, options.stall, {check, options.ending, options.on_stall});
    for (int64_t step = result_.start.step; step < options.steps; ++step) {
      options.check();
      load_batch(graph_, plan_, rank_, step, corpus, step_.tensors());
      double* loss = static_cast<double*>(step_.tensors().resident(tensor_named(graph_, "loss")).data);
      loss[0] = loss[1] = 0;
      records_.push_back(step_.run(step, watch_));
      result_.cross_entropy.push_back(loss[0]);
      result_.loss.push_back(loss[0] + loss[1]);
      if (rank_ == 0) options.on_step(step, result_.loss.back());
      note_skip(step, records_.back().skipped_because, options);
      checkpoint_.after_step(step + 1, options.steps, result_.loss.back());
    }
    checkpoint_.finish();
    if (!records_.empty()) collect(RankStep::kControlPerStep * options.steps);
    return std::move(result_);
  }

 private:
  /// `reason` "": the step counted.
  void note_skip(int64_t step, const std::string& reason, const TrainOptions& options) {
    skipped_in_a_row_ = reason.empty() ? 0 : skipped_in_a_row_ + 1;
    if (reason.empty()) return;
    result_.skipped_steps.push_back(step);
    if (rank_ == 0) options.on_skip(step, reason);
    if (skipped_in_a_row_ < kMaxSkippedInARow) return;
    checkpoint_.finish();
    throw DeviceError("step " + std::to_string(step + 1) + " is the " + std::to_string(kMaxSkippedInARow) +
                      "th in a row that changes nothing: " + reason + "; weights and moments are those before step " +
                      std::to_string(step + 2 - kMaxSkippedInARow) +
                      "; lower the learning rate, or look for what is not finite");
  }

  /// `sequence`: the first number that step barriers have not used.
  void collect(int64_t sequence) {
    Communicator& control = step_.control();
    const size_t steps = records_.size(), ranks = static_cast<size_t>(plan_.layout.ranks);
    std::vector<Seconds> own;
    for (const StepRecord& record : records_) own.push_back(record.seconds);
    const std::vector<Seconds> seconds = gather(control, sequence++, own, watch_);
    for (size_t step = 0; step < steps; ++step) {
      Seconds slowest = 0;
      for (size_t rank = 0; rank < ranks; ++rank) slowest = std::max(slowest, seconds[rank * steps + step]);
      result_.step_seconds.push_back(slowest);
    }
    for (Bytes bytes : gather(control, sequence++, std::vector<Bytes>{step_.tensors().peak_bytes()}, watch_))
      result_.peak_bytes = std::max(result_.peak_bytes, bytes);
    if (step_.experts() != nullptr) collect_tiers(control, sequence++);
    collect_timeline(control, sequence);
    collect_routing(control, sequence + 2);
  }

  void collect_tiers(Communicator& control, int64_t sequence) {
    const ExpertStates& experts = *step_.experts();
    struct Own {
      Bytes host, storage;
      ExpertTraffic traffic;
    };
    const std::vector<Own> own = {{experts.peak_host_bytes(), experts.storage_bytes(), experts.traffic()}};
    for (const Own& of_rank : gather(control, sequence, own, watch_)) {
      result_.peak_host_bytes = std::max(result_.peak_host_bytes, of_rank.host);
      result_.storage_bytes = std::max(result_.storage_bytes, of_rank.storage);
      result_.expert_traffic.storage_read += of_rank.traffic.storage_read;
      result_.expert_traffic.storage_written += of_rank.traffic.storage_written;
      result_.expert_traffic.to_device += of_rank.traffic.to_device;
      result_.expert_traffic.from_device += of_rank.traffic.from_device;
    }
  }

  void collect_timeline(Communicator& control, int64_t sequence) {
    const size_t shown = median_step(result_.step_seconds);
    const StepRecord& median = records_[shown];
    result_.timeline_step = static_cast<int64_t>(shown);
    Timeline& timeline = result_.timeline;
    timeline.measured = true;
    timeline.num_ranks = plan_.layout.ranks;
    timeline.num_steps = static_cast<int>(records_.size());
    timeline.step_seconds = result_.step_seconds[shown];
    timeline.rows = program_.rows;
    timeline.times = gather(control, sequence, in_program(median.times), watch_);
    timeline.memory = gather(control, sequence + 1, in_program(median.memory), watch_);
    std::erase_if(timeline.times, [](const TaskTime& time) { return time.rank < 0; });
    std::erase_if(timeline.memory, [](const MemorySample& sample) { return sample.rank < 0; });
  }

  /// Entries per own task -> entries per task of the program; rank -1 where another stage runs it.
  template <typename T>
  std::vector<T> in_program(const std::vector<T>& own) const {
    std::vector<T> all(program_.rows.size());
    for (T& entry : all) entry.rank = -1;
    for (size_t i = 0; i < own.size(); ++i) {
      T& entry = all[static_cast<size_t>(program_.origin[i])] = own[i];
      if constexpr (std::is_same_v<T, TaskTime>) entry.task = program_.origin[i];
    }
    return all;
  }

  void collect_routing(Communicator& control, int64_t sequence) {
    const auto experts = static_cast<size_t>(plan_.model.num_experts), layers = graph_.placement.size();
    std::vector<int64_t> own;
    for (const StepRecord& record : records_)
      own.insert(own.end(), record.expert_rows.begin(), record.expert_rows.end());
    const std::vector<int64_t> all = gather(control, sequence, own, watch_);
    RoutingDocument& routing = result_.routing;
    routing.name = "recorded";
    routing.num_iterations = static_cast<int64_t>(records_.size()) * plan_.layout.micro_batches;
    routing.num_moe_layers = static_cast<int64_t>(layers);
    const auto sources = static_cast<size_t>(plan_.layout.stage_ranks());
    routing.num_sources = plan_.layout.stage_ranks();
    routing.num_experts = plan_.model.num_experts;
    for (size_t row = 0; row < own.size() / std::max<size_t>(experts, 1); ++row)  // (iteration, layer)
      for (size_t source = 0; source < sources; ++source)
        for (size_t expert = 0; expert < experts; ++expert) {
          int64_t& rows = routing.counts.emplace_back(0);
          for (size_t rank = source; rank < static_cast<size_t>(plan_.layout.ranks); rank += sources)
            rows += all[rank * own.size() + row * experts + expert];  // one stage has the layer
        }
  }

  const Plan& plan_;
  const int rank_;
  const RankProgram program_;
  const TaskGraph& graph_;
  RankStep step_;
  TrainingCheckpoint checkpoint_;
  Watch watch_;
  std::vector<StepRecord> records_;
  int skipped_in_a_row_ = 0;
  TrainResult result_;
};

}  // namespace

void check_trainable(const Plan& plan, const std::string& file) {
  if (plan.workload.phase != WorkloadPhase::training)
    throw InputError(file, "/documents/workload/phase", "this executor trains; the plan is for inference",
                     "\"training\"", "simulate the plan instead");
  if (plan.model.activation != Activation::gelu || plan.model.norm != Norm::layer_norm || plan.model.latent_attention ||
      plan.model.shared_intermediate > 0)
    throw InputError(file, "/documents/model", "this executor trains GPT-MoE blocks (layer norm, GELU) only",
                     "family gpt_moe", "simulate the plan instead");
  if (!plan.cluster.device.lanes_share_core)
    throw InputError(file, "/documents/cluster/device",
                     "the plan is for '" + plan.cluster.device.name + "'; this executor runs on CPU ranks",
                     "a cluster of CPU ranks (lanes_share_core)",
                     "make the plan for a CPU cluster, for example --cluster cpu-2core");
  if (plan.model.vocabulary < 256)
    throw InputError(file, "/documents/model/vocabulary", "is " + std::to_string(plan.model.vocabulary),
                     "at least 256: the tokens are bytes", "");
}

TrainResult train(const Plan& plan, int rank, Backend& backend, Transport& transport, const Corpus& corpus,
                  const TrainOptions& options) {
  return Job(plan, rank, backend, transport, options).run(corpus, options);
}

TrainResult train_on_threads(const Plan& plan, const Corpus& corpus, const TrainOptions& options) {
  TrainResult result;
  run_on_threads(plan.layout.ranks, plan.cluster.devices_per_node, [&](int rank, Transport& transport) {
    cpu::CpuBackend backend;
    TrainResult own = train(plan, rank, backend, transport, corpus, options);
    if (rank == 0) result = std::move(own);
  });
  return result;
}

}  // namespace moesaic::executor
