#include "executor/runtime/training/trainer.h"

#include <array>
#include <optional>
#include <utility>

#include "core/schema/error.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/runtime/training/collect_results.h"
#include "executor/runtime/training/rank_inputs.h"
#include "executor/runtime/training/step_stream.h"
#include "executor/runtime/training/training_step.h"

namespace moesaic::executor {
namespace {

class Job {
 public:
  Job(const Plan& plan, int rank, Backend& backend, Transport& transport, const TrainOptions& options)
      : plan_(plan),
        rank_(rank),
        backend_(backend),
        program_(plan, rank),
        graph_(program_.graph),
        step_(graph_, plan, rank, backend, transport,
              {options.storage_folder, options.device_groups, options.capture, options.record}),
        checkpoint_(options.checkpoint, plan, graph_, rank, step_.tensors(), step_.experts(), transport),
        history_(graph_.tasks.size()) {
    if (options.validation.corpus != nullptr)
      validation_.emplace(plan, rank, backend, transport, step_, options.device_groups,
                          Collectives::numbers_of(graph_) + TrainingCheckpoint::kCommunicators);
    initialise_weights(graph_, plan, rank, step_.tensors());
    load_task_rows(graph_, plan, rank, step_.tensors());
  }

  TrainResult run(const Corpus& corpus, const TrainOptions& options) {
    result_.start = checkpoint_.start(corpus.identity());
    if (rank_ == 0 && !result_.start.warning.empty()) options.on_warning(result_.start.warning);
    open_stream(options);
    const auto check = [&] {
      options.check();
      checkpoint_.poll();
    };
    watch_ = Watch(rank_, options.stall, {check, options.ending, options.on_stall});
    for (int64_t step = result_.start.step; step < options.steps; ++step) {
      options.check();
      load_batch(graph_, plan_, rank_, step, corpus, step_.tensors());
      std::array<double, 2> loss{};  // cross-entropy, auxiliary
      step_.tensors().write(graph_.inputs.loss, loss.data(), sizeof loss);
      if (history_.num_steps() < 2) begin_ = read_disturbance(Counted::thread);  // the first step counts if it is all
      StepRecord record = step_.run(step, watch_);
      step_.tensors().read(graph_.inputs.loss, loss.data(), sizeof loss);
      remember({step, loss[0] + loss[1], loss[0], std::move(record), norm_of_step()}, options);
      note_skip(step, step_.skipped_because(), options);
      if (options.validation.is_due(step + 1, options.steps))
        result_.validation.push_back({step + 1, validation_->loss(step + 1, options.validation, watch_)});
      checkpoint_.after_step(step + 1, options.steps, loss[0] + loss[1]);
    }
    const DisturbanceReading end = read_disturbance(Counted::thread);
    checkpoint_.finish();
    if (history_.num_steps() > 0)
      collect_results(plan_, program_, history_, own_memory(), own_machine(options, end),
                      Gather(step_.control(), step_.free_control(), watch_), result_);
    if (result_.long_run && !options.stream.empty()) result_.long_run->stream = options.stream;
    return std::move(result_);
  }

 private:
  void open_stream(const TrainOptions& options) {
    if (rank_ == 0 && !options.stream.empty() && is_long(options.steps) && result_.start.step < options.steps)
      stream_.emplace(options.stream, result_.start.step);
  }

  std::optional<double> norm_of_step() const {
    return plan_.workload.optimizer.clips() ? std::optional(step_.gradient_norm()) : std::nullopt;
  }

  void remember(TrainedStep step, const TrainOptions& options) {
    if (rank_ == 0) options.on_step(step.step, step.loss);
    if (stream_) stream_->write(step);
    result_.captured |= step.record.captured;
    history_.add(std::move(step));
  }

  /// `reason` "": the step counted.
  void note_skip(int64_t step, const std::string& reason, const TrainOptions& options) {
    skipped_in_a_row_ = reason.empty() ? 0 : skipped_in_a_row_ + 1;
    if (reason.empty()) return;
    if (++result_.num_skipped <= static_cast<int64_t>(StepHistory::kKept)) result_.skipped_steps.push_back(step);
    if (rank_ == 0) options.on_skip(step, reason);
    if (skipped_in_a_row_ < kMaxSkippedInARow) return;
    checkpoint_.finish();
    throw DeviceError("step " + std::to_string(step + 1) + " is the " + std::to_string(kMaxSkippedInARow) +
                      "th in a row that changes nothing: " + reason + "; weights and moments are those before step " +
                      std::to_string(step + 2 - kMaxSkippedInARow) +
                      "; lower the learning rate, or look for what is not finite");
  }

  MemoryUse own_memory() {
    MemoryUse own{step_.tensors().peak_bytes(), 0, 0, {}};
    if (const ExpertStates* experts = step_.experts(); experts != nullptr) {
      own.host_bytes = experts->peak_host_bytes();
      own.storage_bytes = experts->storage_bytes();
      own.expert_bytes = experts->moved();
    }
    return own;
  }

  RankMachine own_machine(const TrainOptions& options, const DisturbanceReading& end) const {
    const std::string device = backend_.device_name();
    return {device.empty() ? options.processor : Processor{device, "", 1}, step_.measures_lost(), history_.lost_share(),
            disturbance_between(begin_, end)};
  }

  const Plan& plan_;
  const int rank_;
  const Backend& backend_;
  const RankProgram program_;
  const TaskGraph& graph_;
  TrainingStep step_;
  TrainingCheckpoint checkpoint_;
  std::optional<Validation> validation_;
  Watch watch_;
  DisturbanceReading begin_;
  StepHistory history_;
  std::optional<StepStream> stream_;
  int skipped_in_a_row_ = 0;
  TrainResult result_;
};

/// What a model has that no kernel computes; null: nothing.
const char* untrained_part(const Model& m) {
  if (m.latent_attention) return "latent attention";
  if (m.recurrent) return m.recurrent->kind.c_str();
  if (m.sparse_keys > 0) return "sparse attention";
  if (m.attention_gate) return "a gate of attention's output";
  if (m.rope_scaled) return "scaled rotary positions";
  if (m.qkv_clipped) return "clipped queries, keys and values";
  if (m.attention_bias) return "biases of attention";
  if (m.attention_sinks) return "attention sinks";
  if (m.expert_bias) return "biases of experts";
  if (m.router_bias) return "a bias of the router";
  if (m.shared_gate) return "a gate of shared experts";
  if (m.shared_norm) return "a norm of shared experts";
  if (m.norm == Norm::layer_norm && !m.norm_bias) return "layer norms without biases";
  if (m.head_bias) return "a bias of the head";
  if (!m.uncomputed.empty()) return m.uncomputed.front().c_str();
  return nullptr;
}

}  // namespace

void check_trainable(const Plan& plan, const std::string& file, RoutingForm record) {
  if (plan.workload.phase != WorkloadPhase::training)
    throw InputError(file, "/documents/workload/phase", "this executor trains; the plan is for inference",
                     "\"training\"", "simulate the plan instead");
  if (const char* part = untrained_part(plan.model))
    throw InputError(file, "/documents/model", std::string("has ") + part + ", which this executor does not compute",
                     "a model without", "simulate the plan instead");
  const int64_t tokens = plan.workload.sequence_length;
  for (int layer = 0; layer < plan.model.num_layers; ++layer)
    if (plan.model.keys_in_sight(layer, tokens) < tokens)
      throw InputError(file, "/documents/model/sliding_window",
                       "shows " + std::to_string(plan.model.sliding_window) + " of " + std::to_string(tokens) +
                           " tokens, and this executor's attention sees all tokens before its own",
                       "a window of at least the sequence_length", "simulate the plan instead");
  const bool has_router = plan.model.num_moe_layers() > 0 && !plan.model.routed_by_task;
  if (record >= RoutingForm::choices && !has_router)
    throw InputError(file, "/documents/model", "has no router, whose choices are to be recorded",
                     "a model whose router chooses experts", "leave --record-routing out");
}

TrainResult train(const Plan& plan, int rank, Backend& backend, Transport& transport, const Corpus& corpus,
                  const TrainOptions& options) {
  return Job(plan, rank, backend, transport, options).run(corpus, options);
}

std::unique_ptr<Backend> make_cpu_backend(int) { return std::make_unique<cpu::CpuBackend>(); }

TrainResult train_on_threads(const Plan& plan, const Corpus& corpus, const TrainOptions& options,
                             const MakeBackend& make_backend) {
  TrainResult result;
  run_on_threads(plan.layout.ranks, plan.cluster.devices_per_node, [&](int rank, Transport& transport) {
    const std::unique_ptr<Backend> backend = make_backend(rank);
    TrainResult own = train(plan, rank, *backend, transport, corpus, options);
    if (rank == 0) result = std::move(own);
  });
  return result;
}

}  // namespace moesaic::executor
