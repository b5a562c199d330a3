#include "simulator/message.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"

namespace moesaic::simulator {
namespace {

Json write_evaluation(const Evaluation& evaluation) {
  const Prediction& prediction = evaluation.prediction;
  return Json{{"feasible", evaluation.feasible},
              {"reason", evaluation.reason},
              {"step_seconds", prediction.step_seconds},
              {"tokens_per_second", prediction.tokens_per_second},
              {"exposed_communication_seconds", prediction.exposed_communication_seconds},
              {"bubble_seconds", prediction.bubble_seconds},
              {"exposed_transfer_seconds", prediction.exposed_transfer_seconds},
              {"peak_bytes", prediction.peak_bytes},
              {"critical_path_seconds", prediction.critical_path_seconds},
              {"tasks", prediction.tasks},
              {"activities", evaluation.activities},
              {"wall_seconds", evaluation.wall_seconds},
              {"price_basis", evaluation.price_basis}};
}

Evaluation read_evaluation(const Json& json) {
  Evaluation evaluation;
  Prediction& prediction = evaluation.prediction;
  json.at("feasible").get_to(evaluation.feasible);
  json.at("reason").get_to(evaluation.reason);
  json.at("step_seconds").get_to(prediction.step_seconds);
  json.at("tokens_per_second").get_to(prediction.tokens_per_second);
  json.at("exposed_communication_seconds").get_to(prediction.exposed_communication_seconds);
  json.at("bubble_seconds").get_to(prediction.bubble_seconds);
  json.at("exposed_transfer_seconds").get_to(prediction.exposed_transfer_seconds);
  json.at("peak_bytes").get_to(prediction.peak_bytes);
  json.at("critical_path_seconds").get_to(prediction.critical_path_seconds);
  json.at("tasks").get_to(prediction.tasks);
  json.at("activities").get_to(evaluation.activities);
  json.at("wall_seconds").get_to(evaluation.wall_seconds);
  json.at("price_basis").get_to(evaluation.price_basis);
  return evaluation;
}

template <typename T>
void append_bytes(const std::vector<T>& values, std::string& text) {
  static_assert(std::is_trivially_copyable_v<T>);
  text.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/// Removes them from the front of `bytes`.
template <typename T>
std::vector<T> take_values(size_t count, std::string_view& bytes) {
  MOESAIC_CHECK(count <= bytes.size() / sizeof(T), "an answer is cut short");
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
  return values;
}

std::exception_ptr read_error(const Json& error) {
  const std::string kind = error.at("kind").get<std::string>(), message = error.at("message").get<std::string>();
  if (kind == "input") return std::make_exception_ptr(InputError("", "", message));
  if (kind == "device") return std::make_exception_ptr(DeviceError(message));
  return std::make_exception_ptr(InvariantError("simulator", 0, "simulation", message));
}

}  // namespace

Evaluation evaluation_of(SimulationOutcome outcome) {
  try {
    if (outcome.error) std::rethrow_exception(outcome.error);
    return std::move(outcome.result.evaluation);
  } catch (const DeviceError& error) {
    Evaluation died;
    died.feasible = false;
    died.reason = error.what();
    return died;
  }
}

std::string write_request(const Plan& plan, const SimulationOptions& options) {
  return Json{{"plan", write_plan(plan)},
              {"timeline", options.timeline},
              {"step", options.step},
              {"engine", static_cast<int>(options.engine)},
              {"every_rank", options.every_rank}}
      .dump();
}

std::string answer_request(const std::string& request) {
  try {
    const Json json = parse_json(request, "request");
    const SimulationOptions options{json.at("timeline").get<bool>(), json.at("step").get<int64_t>(),
                                    static_cast<EngineKind>(json.at("engine").get<int>()),
                                    json.at("every_rank").get<bool>()};
    return write_answer(simulate_in_this_process(read_plan(json.at("plan"), "plan"), options));
  } catch (const std::exception&) {
    return write_caught_error();
  }
}

std::string write_answer(SimulationResult result) {
  Json answer{{"evaluation", write_evaluation(result.evaluation)}};
  if (result.timeline.rows.empty()) return answer.dump();
  const std::vector<TaskTime> times = std::exchange(result.timeline.times, {});
  const std::vector<MemorySample> memory = std::exchange(result.timeline.memory, {});
  answer["timeline"] = write_timeline(result.timeline);
  answer["times"] = times.size();
  answer["samples"] = memory.size();
  std::string text = answer.dump() + "\n";
  append_bytes(times, text);
  append_bytes(memory, text);
  return text;
}

std::string write_error(const std::string& kind, const std::string& message) {
  // Last words of a dying process may be any bytes.
  return Json{{"error", {{"kind", kind}, {"message", message}}}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string write_caught_error() {
  try {
    throw;
  } catch (const InputError& error) {
    return write_error("input", error.what());
  } catch (const DeviceError& error) {
    return write_error("device", error.what());
  } catch (const std::exception& error) {
    return write_error("internal", error.what());
  }
}

SimulationOutcome read_answer(const std::string& answer) {
  const size_t end = std::min(answer.find('\n'), answer.size());  // of the JSON, which has no line breaks
  const Json json = parse_json(answer.substr(0, end), "answer");
  SimulationOutcome outcome;
  if (json.contains("error")) {
    outcome.error = read_error(json.at("error"));
    return outcome;
  }
  outcome.result.evaluation = read_evaluation(json.at("evaluation"));
  if (!json.contains("timeline")) return outcome;
  Timeline& timeline = outcome.result.timeline = read_timeline(json.at("timeline"), "answer");
  std::string_view bytes = std::string_view(answer).substr(std::min(end + 1, answer.size()));
  timeline.times = take_values<TaskTime>(json.at("times").get<size_t>(), bytes);
  timeline.memory = take_values<MemorySample>(json.at("samples").get<size_t>(), bytes);
  return outcome;
}

}  // namespace moesaic::simulator
