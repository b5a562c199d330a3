#include "executor/runtime/training/checkpoint.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "executor/checkpoint/text_gather.h"
#include "executor/runtime/lanes/collectives.h"

namespace moesaic::executor {
namespace {

/// What a logical tensor's state is called: "layers.3.qkv", "layers.3.qkv.m", "layers.3.qkv.v".
/// A master weight is the weight: what is rounded to less is only loaded.
std::string suffix_of(State state) {
  return state == State::first_moment ? ".m" : state == State::second_moment ? ".v" : "";
}

Json optimizer_of(const Plan& plan) { return write_workload(plan.workload)["optimizer"]; }

/// The model without what changes no weight.
Json shape_of(Json model) {
  for (const char* label : {"name", "source"}) model.erase(label);
  return model;
}

/// InputError naming the first key in which what was saved differs from what is trained.
void expect_same(const Json& saved, const Json& trained, const std::string& what, const std::string& file) {
  const auto value_of = [](const Json& json, const std::string& key) {
    return json.is_object() && json.contains(key) ? json[key].dump() : std::string("missing");
  };
  for (const Json* one : {&trained, &saved})
    for (const auto& [key, value] : one->items())
      if (value_of(saved, key) != value_of(trained, key))
        throw InputError(file, "/meta/" + what + "/" + key,
                         "is " + value_of(saved, key) + ", the plan's is " + value_of(trained, key),
                         "a checkpoint of the same " + what,
                         "make the plan for that " + what + ", or use another folder");
}

/// Of experts with several slots a checkpoint has the states of one.
std::vector<Piece> without_copies(std::vector<Piece> pieces) {
  std::erase_if(pieces, [](const Piece& piece) { return piece.is_copy; });
  return pieces;
}

std::string listed(const std::vector<RejectedFile>& files) {
  std::string text;
  for (const RejectedFile& file : files) text += (text.empty() ? "" : "; ") + file.file + " " + file.problem;
  return text;
}

}  // namespace

TrainingCheckpoint::TrainingCheckpoint(const CheckpointPolicy& policy, const Plan& plan, const TaskGraph& graph,
                                       int rank, TensorStore& tensors, ExpertStates* experts, Transport& transport)
    : policy_(policy), plan_(plan), mirror_(tensors) {
  if (policy.folder.empty()) return;
  const bool has_master = has_master_weights(graph);
  for (State state : {State::weight, State::first_moment, State::second_moment, State::master_weight}) {
    if (state == State::master_weight && !has_master) continue;
    for (Holding& holding : holdings_of(graph, rank, state)) {
      for (Piece& piece : holding.pieces) piece.tensor += suffix_of(state);
      float* data = mirror_.data(holding.tensor);
      state_.push_back({std::move(holding), data, state != State::weight || !has_master});
    }
  }
  experts_.states = experts;
  find_experts(graph, rank);
  std::vector<int> all;
  for (int r = 0; r < graph.num_ranks; ++r) all.push_back(r);
  const int id = Collectives::numbers_of(graph);
  communicator_ = std::make_unique<Communicator>(transport, all, id);
}

void TrainingCheckpoint::find_experts(const TaskGraph& graph, int rank) {
  if (experts_.states == nullptr) return;
  const SlotLayout& layout = experts_.states->layout();
  std::vector<size_t> found(graph.placement.size(), 0);  // parameters of each layer
  for (const ExpertPlacement& placement : graph.placement) {
    experts_.layer_offset.push_back(experts_.elements);
    experts_.elements += placement.slots_per_rank * layout.states();
  }
  for (const Parameter& parameter : graph.parameters) {
    if (parameter.home == Tier::device) continue;
    const auto layer = static_cast<size_t>(parameter.moe_layer);
    const int64_t first = experts_.layer_offset[layer] + layout.offset(found[layer]++);
    experts_.primary = graph.position(parameter.replicas, rank) == 0;
    for (const Piece& piece : pieces_of(graph, parameter, rank)) add_expert_piece(piece, parameter, first);
  }
}

/// Of each state that stands there. `first`: where the first slot has the parameter's weights.
void TrainingCheckpoint::add_expert_piece(const Piece& piece, const Parameter& parameter, int64_t first) {
  constexpr State kStates[] = {State::weight, State::first_moment, State::second_moment};
  static_assert(std::size(kStates) == kStatesPerWeight);
  const int64_t n = parameter.slot_elements, slot = piece.local_offset / n, element = piece.local_offset % n;
  for (int64_t state = 0; state < kStatesPerWeight; ++state) {
    Piece saved = piece;
    saved.tensor += suffix_of(kStates[state]);
    saved.local_offset = first + slot * experts_.states->layout().states() + state * n + element;
    experts_.pieces.push_back(std::move(saved));
  }
}

void TrainingCheckpoint::copy_experts(int64_t steps, bool back, std::vector<float>& copy) {
  copy.resize(static_cast<size_t>(experts_.elements));
  if (experts_.states == nullptr) return;
  const int64_t n = experts_.states->layout().states();
  experts_.states->for_each(steps, back, [&](int layer, int slot, float* states) {
    float* place = copy.data() + experts_.layer_offset[static_cast<size_t>(layer)] + slot * n;
    std::copy_n(back ? place : states, n, back ? states : place);
  });
}

/// Rank 0 does it for all, and all hear how it went.
void TrainingCheckpoint::lock_folder() {
  std::string refusal;
  try {
    if (communicator_->rank() == 0) lock_.emplace(files_, policy_.folder);
  } catch (const InputError& error) {
    refusal = error.what();
  }
  TextGather answers(*communicator_, 0, refusal);
  answers.wait();
  if (!answers.texts()[0].empty()) throw InputError("", "", answers.texts()[0]);
}

ResumePoint TrainingCheckpoint::start(const std::string& corpus) {
  if (!communicator_) return {};
  corpus_ = corpus;
  lock_folder();
  FoundCheckpoint found = find_checkpoint(files_, policy_.folder, *communicator_);
  if (!policy_.resume && (found.manifest || !found.rejected.empty()))
    throw InputError(policy_.folder, "", "holds checkpoints of another run", "a new or empty folder",
                     "add --resume to go on from there, or name another folder");
  if (!found.manifest && !found.rejected.empty())
    throw InputError(policy_.folder, "", "holds no checkpoint that is whole: " + listed(found.rejected), "",
                     "name another folder to begin anew");
  const std::string warning = found.manifest ? load(*found.manifest) : "";
  const int64_t step = found.manifest ? found.manifest->step : 0;
  CheckpointOptions options{policy_.folder};
  if (found.manifest) options.loaded_step = step;
  writer_ = std::make_unique<CheckpointWriter>(files_, *communicator_, options);
  return {step, std::move(found.rejected), warning};
}

std::string TrainingCheckpoint::load(const Manifest& manifest) {
  const std::string file = policy_.folder + "/" + manifest_name(manifest.step);
  const Json saved = parse_json(manifest.meta, file);
  expect_same(saved.value("model", Json()), shape_of(write_model(plan_.model)), "model", file);
  expect_same(saved.value("optimizer", Json()), optimizer_of(plan_), "optimizer", file);
  std::vector<LoadedArray> arrays;
  for (const Saved& part : state_) arrays.push_back({part.data, part.holding.pieces});
  std::vector<float> experts(static_cast<size_t>(experts_.elements));
  arrays.push_back({experts.data(), experts_.pieces});
  load_checkpoint(files_, policy_.folder, manifest, arrays);
  mirror_.store();
  if (experts_.states != nullptr)  // what is loaded replaces all that was to be caught up
    for (int64_t step = 0; step < manifest.step; ++step) experts_.states->skip(step);
  copy_experts(manifest.step, true, experts);
  const Json trained_on = saved.value("corpus", Json(corpus_));  // earlier checkpoints do not say
  if (trained_on == corpus_) return "";
  return file + " was trained on another corpus: " + trained_on.dump() + ", this one is " + Json(corpus_).dump();
}

std::string TrainingCheckpoint::meta(double loss) const {
  const Json json = {{"model", shape_of(write_model(plan_.model))},
                     {"optimizer", optimizer_of(plan_)},
                     {"plan_hash", document_hash(write_plan(plan_))},
                     {"ranks", plan_.layout.ranks},
                     {"seed", plan_.workload.seed},
                     {"corpus", corpus_},
                     {"loss", loss}};
  return json.dump();
}

void TrainingCheckpoint::after_step(int64_t steps_done, int64_t steps, double loss) {
  if (!writer_) return;
  poll();
  if (steps_done % policy_.every != 0 && steps_done != steps) return;
  mirror_.fetch();
  std::vector<SavedArray> arrays;
  for (const Saved& part : state_)
    if (part.holding.primary && part.saves) arrays.push_back({part.data, without_copies(part.holding.pieces)});
  std::vector<float> experts;
  if (experts_.primary) {
    copy_experts(steps_done, false, experts);
    arrays.push_back({experts.data(), without_copies(experts_.pieces)});
  }
  writer_->save(steps_done, arrays, meta(loss));
}

void TrainingCheckpoint::poll() {
  if (writer_) writer_->poll();
}

void TrainingCheckpoint::finish() {
  if (writer_) writer_->wait();
}

}  // namespace moesaic::executor
