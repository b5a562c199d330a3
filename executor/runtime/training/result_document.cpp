#include "executor/runtime/training/result_document.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/technique/lower.h"
#include "core/timeline/critical_path.h"
#include "core/timeline/utilization.h"

namespace moesaic::executor {

namespace {

/// By tier; host memory and storage only where expert states live there.
Json peak_bytes(const MemoryUse& memory) {
  Json peaks = {{"device", memory.device_bytes}};
  if (memory.host_bytes > 0) peaks["host"] = memory.host_bytes;
  if (memory.storage_bytes > 0) peaks["storage"] = memory.storage_bytes;
  return peaks;
}

Json expert_traffic(const MovedBytes& moved) {
  return {{"storage_read_bytes", moved.storage_read},
          {"storage_written_bytes", moved.storage_written},
          {"to_device_bytes", moved.to_device},
          {"from_device_bytes", moved.from_device}};
}

Json processors(const std::vector<Processor>& processors) {
  Json list = Json::array();
  for (const Processor& processor : processors) {
    Json entry = {{"name", processor.name}, {"ranks", processor.ranks}};
    if (!processor.instruction_set.empty()) entry["instruction_set"] = processor.instruction_set;
    list.push_back(std::move(entry));
  }
  return list;
}

Json append_figures(Json row, const DurationFigures& figures) {
  for (const Json& value :
       {Json(figures.count), Json(figures.mean), Json(figures.median), Json(figures.least), Json(figures.most)})
    row.push_back(value);
  return row;
}

/// What the series of a long run are of, and what there is of all its steps.
Json sample(const TrainResult& result) {
  Json kept = Json::array(), steps = Json::array(), tasks = Json::array();
  for (const int64_t step : result.steps) kept.push_back(step + 1);
  for (const StepStatistics& rank : result.long_run->steps)
    steps.push_back(append_figures(Json::array({rank.rank}), rank.seconds));
  for (const TaskStatistics& task : result.long_run->tasks)
    tasks.push_back(append_figures(Json::array({task.rank, task.task.value()}), task.seconds));
  Json json = {{"steps", std::move(kept)},
               {"num_skipped", result.num_skipped},
               {"median_error", DurationStatistics::kMedianError},
               {"step_statistics", std::move(steps)},
               {"task_statistics", std::move(tasks)}};
  if (!result.long_run->stream.empty())
    json["stream"] = std::filesystem::path(result.long_run->stream).filename().string();
  return json;
}

}  // namespace

Json write_result(const Plan& plan, const TrainResult& result, const Corpus& corpus, const std::string& device) {
  Timeline timeline = result.timeline;
  timeline.plan_hash = document_hash(write_plan(plan));
  Json rejected = Json::array();
  for (const RejectedFile& file : result.start.rejected)
    rejected.push_back({{"file", file.file}, {"problem", file.problem}});
  Json skipped = Json::array();  // numbers of steps are from 1 where people read them
  for (int64_t step : result.skipped_steps) skipped.push_back(step + 1);
  if (result.loss.empty())
    return {{"kind", "moesaic.result/1"}, {"plan_hash", timeline.plan_hash},      {"device", device},
            {"ranks", plan.layout.ranks}, {"first_step", result.start.step},      {"steps", 0},
            {"loss", Json::array()},      {"rejected_checkpoint_files", rejected}};
  const Seconds step = timeline.step_seconds;
  const double tokens_per_second = static_cast<double>(plan.workload.tokens_per_step()) / step;
  const Utilization used = utilization_of(plan, tokens_per_second);
  Json json = {{"kind", "moesaic.result/1"},
               {"plan_hash", timeline.plan_hash},
               {"device", device},
               {"ranks", plan.layout.ranks},
               {"processors", processors(result.processors)},
               {"disturbance", write_disturbance(result.disturbance)},
               {"first_step", result.start.step},
               {"steps", result.num_steps},
               {"captured", result.captured},
               {"step_seconds", step},
               {"tokens_per_second", tokens_per_second},
               {"tokens_per_second_per_device", used.tokens_per_second_per_device},
               {"mfu", used.mfu},
               {"critical_path_seconds", critical_path(timeline, lower(plan))},
               {"peak_bytes", peak_bytes(result.memory)},
               {"expert_traffic", expert_traffic(result.memory.expert_bytes)},
               {"exposed_communication_seconds", exposed_communication(timeline)},
               {"bubble_seconds", pipeline_bubble(timeline)},
               {"exposed_transfer_seconds", exposed_transfer(timeline)},
               {"tasks", timeline.times.size()},
               {"loss", result.loss},
               {"cross_entropy", result.cross_entropy},
               {"learning_rate", result.learning_rate},
               {"skipped_steps", skipped},
               {"rejected_checkpoint_files", rejected},
               {"all_step_seconds", result.step_seconds},
               {"timeline_step", result.timeline_step},
               {"timeline", write_timeline(timeline)},
               {"routing", write_routing(result.routing)}};
  if (!result.gradient_norm.empty()) json["gradient_norm"] = result.gradient_norm;
  for (const ValidationLoss& loss : result.validation)
    json["validation"].push_back({{"step", loss.steps_done}, {"loss", loss.cross_entropy}});
  if (const std::optional<double> entropy = corpus.bigram_entropy()) json["bigram_entropy"] = *entropy;
  if (result.long_run) json["sample"] = sample(result);
  return json;
}

}  // namespace moesaic::executor
