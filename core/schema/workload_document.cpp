// The workload document: phase, batch, optimizer.

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

constexpr const char* kPhases[] = {"training", "prefill", "decode"};
constexpr const char* kComputeTypes[] = {"f32", "bf16"};
constexpr const char* kCacheTypes[] = {"f32", "bf16", "f16", "fp8"};  // in the order of DType
constexpr const char* kDecays[] = {"constant", "linear", "cosine"};
constexpr IntegerRange kBatch{1, 1 << 24};
constexpr IntegerRange kSteps{0, 1000000000};
// Products of tokens, top_k, hidden and element size stay within 64 bits.
constexpr int64_t kMaxTokens = int64_t{1} << 36;

LearningRateSchedule read_schedule(const Field& field, double learning_rate) {
  using Decay = LearningRateSchedule::Decay;
  LearningRateSchedule schedule;
  if (!field.present()) return schedule;
  ObjectReader reader = field.object();
  schedule.decay = static_cast<Decay>(reader["decay"].choice(kDecays));
  schedule.warmup_steps = reader["warmup_steps"].integer(kSteps, schedule.warmup_steps);
  if (schedule.decay != Decay::constant) {
    const Field steps = reader["decay_steps"], least = reader["min_learning_rate"];
    schedule.decay_steps = steps.integer(kSteps);
    if (schedule.decay_steps <= schedule.warmup_steps)
      steps.refuse("is " + std::to_string(schedule.decay_steps) + ", and the warm-up alone has " +
                       std::to_string(schedule.warmup_steps) + " steps",
                   "more than warmup_steps, which it includes", "count from the beginning of the run");
    schedule.min_learning_rate = least.number(kNotNegative, schedule.min_learning_rate);
    if (schedule.min_learning_rate > learning_rate)
      least.refuse("is above the learning_rate", "at most the peak", "it is a rate, not a share of the peak");
  }
  reader.finish();
  return schedule;
}

Json written(const LearningRateSchedule& schedule) {
  Json json = {{"decay", kDecays[static_cast<size_t>(schedule.decay)]}, {"warmup_steps", schedule.warmup_steps}};
  if (schedule.decay == LearningRateSchedule::Decay::constant) return json;
  json["decay_steps"] = schedule.decay_steps;
  json["min_learning_rate"] = schedule.min_learning_rate;
  return json;
}

Optimizer read_optimizer(const Field& field) {
  Optimizer optimizer;
  if (!field.present()) return optimizer;
  constexpr NumberRange kBeta{0, 0.9999999};
  ObjectReader reader = field.object();
  optimizer.learning_rate = reader["learning_rate"].number(kNotNegative, optimizer.learning_rate);
  optimizer.beta1 = reader["beta1"].number(kBeta, optimizer.beta1);
  optimizer.beta2 = reader["beta2"].number(kBeta, optimizer.beta2);
  optimizer.epsilon = reader["epsilon"].number(kPositive, optimizer.epsilon);
  optimizer.weight_decay = reader["weight_decay"].number(kNotNegative, optimizer.weight_decay);
  optimizer.schedule = read_schedule(reader["schedule"], optimizer.learning_rate);
  optimizer.max_gradient_norm = reader["max_gradient_norm"].number(kNotNegative, optimizer.max_gradient_norm);
  reader.finish();
  return optimizer;
}

/// What is off is left out: documents from before it was there, and their hashes, stay as they are.
Json written(const Optimizer& optimizer) {
  Json json = {{"learning_rate", optimizer.learning_rate},
               {"beta1", optimizer.beta1},
               {"beta2", optimizer.beta2},
               {"epsilon", optimizer.epsilon},
               {"weight_decay", optimizer.weight_decay}};
  if (optimizer.schedule != LearningRateSchedule{}) json["schedule"] = written(optimizer.schedule);
  if (optimizer.clips()) json["max_gradient_norm"] = optimizer.max_gradient_norm;
  return json;
}

/// The tasks' batches give the global batch.
void read_tasks(const Field& field, Workload& workload) {
  workload.global_batch = 0;
  for (size_t i = 0; i < field.size(); ++i) {
    ObjectReader reader = field[i].object();
    workload.tasks.push_back({reader["name"].text(), reader["batch"].integer(kBatch)});
    workload.global_batch += workload.tasks.back().batch;
    reader.finish();
  }
  if (workload.tasks.empty()) field.refuse("is empty", "at least one task", "leave tasks out");
  if (workload.global_batch > kBatch.most)
    field.refuse("sum to " + std::to_string(workload.global_batch) + " sequences");
}

std::optional<DType> read_cache_dtype(const Field& field, WorkloadPhase phase) {
  if (!field.present()) return std::nullopt;
  if (phase == WorkloadPhase::training)
    field.refuse("is given, and training caches no keys and values", "a prefill or decode phase", "leave it out");
  return static_cast<DType>(field.choice(kCacheTypes));
}

}  // namespace

Workload read_workload(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader reader = open_document(json, file, pointer, "workload");
  Workload workload;
  workload.name = reader["name"].text("");
  workload.phase = static_cast<WorkloadPhase>(reader["phase"].choice(kPhases));
  if (const Field tasks = reader["tasks"]; tasks.present()) {
    read_tasks(tasks, workload);
    const Field batch = reader["global_batch"];
    if (batch.integer(kBatch, workload.global_batch) != workload.global_batch)
      batch.refuse("is not the sum of the tasks' batches", std::to_string(workload.global_batch), "leave it out");
  } else {
    workload.global_batch = reader["global_batch"].integer(kBatch);
  }
  workload.sequence_length = reader["sequence_length"].integer(kBatch);
  workload.compute_dtype = reader["compute_dtype"].choice(kComputeTypes, workload.compute_dtype);
  workload.kv_cache_dtype = read_cache_dtype(reader["kv_cache_dtype"], workload.phase);
  workload.optimizer = read_optimizer(reader["optimizer"]);
  workload.seed = reader["seed"].seed(workload.seed);
  reader.finish();
  if (workload.global_batch * workload.sequence_length > kMaxTokens) {
    reader.refuse("has " + std::to_string(workload.global_batch * workload.sequence_length) + " tokens",
                  "global_batch * sequence_length of at most " + std::to_string(kMaxTokens));
  }
  return workload;
}

Json write_workload(const Workload& workload) {
  Json json = {{"kind", "moesaic.workload/1"},
               {"name", workload.name},
               {"phase", kPhases[static_cast<size_t>(workload.phase)]},
               {"global_batch", workload.global_batch},
               {"sequence_length", workload.sequence_length},
               {"compute_dtype", name_of(workload.compute_dtype)},
               {"optimizer", written(workload.optimizer)},
               {"seed", workload.seed}};
  if (workload.kv_cache_dtype) json["kv_cache_dtype"] = name_of(*workload.kv_cache_dtype);
  for (const WorkloadTask& task : workload.tasks) json["tasks"].push_back({{"name", task.name}, {"batch", task.batch}});
  return json;
}

}  // namespace moesaic
