// Hierarchical storage of expert states with sparse prefetch (SE-MoE sections 3.2.1 and 3.2.2): the weights of experts
// that have rows come to the device for one pass of one layer, their gradients leave it at once, the update happens in
// host memory.
#include <algorithm>
#include <map>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/operators/experts.h"
#include "core/operators/optimizer.h"
#include "core/operators/transfers.h"
#include "core/schema/error.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

using operands::Clear, operands::Collective, operands::DrainGradients, operands::FetchExperts, operands::LoadExperts,
    operands::StoreExperts, operands::UpdateExperts;

/// One pass of one microbatch through one MoE layer.
struct ExpertPass {
  int moe_layer = -1, layer = -1, microbatch = 0;
  Phase phase = Phase::forward;
  TaskIndex first = 0;       // first task of the layer in that phase, attention included
  TaskIndex counted = 0;     // forward: the task after which rows per expert are known
  TaskIndex last_write = 0;  // backward: the last task that writes expert gradients
};

class Offload {
 public:
  Offload(TaskGraph& graph, const Plan& plan)
      : graph_(graph),
        edit_(graph),
        storage_(plan.expert_storage.home == Tier::storage),
        ahead_(plan.prefetch.experts),
        plan_(plan) {}

  void run() {
    find_passes();
    for (size_t layer = 0; layer < graph_.placement.size(); ++layer) move_out(static_cast<int>(layer));
    for (size_t i = 0; i < passes_.size(); ++i) {
      if (passes_[i].phase == Phase::forward)
        bring_forward(i);
      else
        bring_backward(i);
    }
    rewrite();
    update();
  }

 private:
  struct Experts {  // of one MoE layer
    int layer = -1;
    std::vector<int> parameters;  // up, down
    int64_t elements = 0;         // of all slots
    std::vector<TensorId> drained;
  };
  using Key = std::tuple<int, Phase, int>;  // MoE layer, phase, microbatch

  void find_passes() {
    std::map<std::tuple<int, Phase, int>, TaskIndex> first_of_layer;  // layer, phase, microbatch
    std::map<Key, size_t> known;
    for (TaskIndex i = 0; i < graph_.tasks.next(); ++i) {
      const Task& task = task_at(i);
      if (task.announces == Announces::stage_counts)
        for (int layer : counted_layers(graph_, task)) stage_counts_[{layer, task.microbatch}] = counts_made_by(task);
      if (task.layer < 0 || task.phase == Phase::update || is_expert_reduction(task)) continue;
      const TaskIndex first = first_of_layer.try_emplace({task.layer, task.phase, task.microbatch}, i).first->second;
      if (task.moe_layer < 0) continue;
      const auto [entry, fresh] = known.try_emplace({task.moe_layer, task.phase, task.microbatch}, passes_.size());
      if (fresh) passes_.push_back({task.moe_layer, task.layer, task.microbatch, task.phase, first, 0, 0});
      ExpertPass& pass = passes_[entry->second];
      if (task.announces == Announces::group_counts) pass.counted = i;
      if (task.op == Op::experts_wgrad) pass.last_write = i;
    }
  }

  TensorId add(const std::string& name, TensorKind kind, Tier tier, DType dtype, int64_t elements) {
    Tensor tensor{name, kind, dtype, Rows::fixed, 1, elements};
    tensor.tier = tier;
    return graph_.add(std::move(tensor));
  }
  /// Device memory for some slots of a parameter, for one pass.
  TensorId add_window(const ExpertPass& pass, const Parameter& of, const Tensor& like, Rows rows, const char* what) {
    return graph_.add({like.name + "." + what + "." + std::to_string(pass.microbatch), TensorKind::activation,
                       like.dtype, rows, 0, of.slot_elements, pass.moe_layer, pass.microbatch});
  }
  /// Orders tasks; has no bytes.
  TensorId signal(const std::string& name) { return add(name, TensorKind::activation, Tier::device, DType::i32, 0); }

  const Task& task_at(TaskIndex place) const { return graph_.tasks[place]; }
  Tensor& tensor(TensorId id) { return graph_.tensors[id]; }
  Parameter& parameter(int index) { return graph_.parameters[index]; }

  /// The layer's expert states leave the device: their tensors have no memory there any more.
  void move_out(int moe_layer) {
    Experts& experts = experts_[moe_layer];
    for (size_t i = 0; i < graph_.parameters.size(); ++i) {
      Parameter& p = graph_.parameters[i];
      if (p.moe_layer != moe_layer) continue;
      experts.layer = p.layer;
      experts.parameters.push_back(static_cast<int>(i));
      experts.elements += p.elements;
      p.home = plan_.expert_storage.home;
      for (TensorId state : {p.weight, p.gradient, p.moments}) tensor(state).kind = TensorKind::activation;
      gradient_of_[p.gradient] = static_cast<int>(i);
    }
    const std::string prefix = "layers." + std::to_string(experts.layer) + ".experts";
    add(prefix + " gradients", TensorKind::gradient, Tier::host,
        tensor(parameter(experts.parameters[0]).gradient).dtype, experts.elements);
    add(prefix + " states", TensorKind::optimizer, plan_.expert_storage.home, DType::f32, 3 * experts.elements);
    if (!storage_ || moe_layer > 0) return;
    const int64_t slot = experts.elements / graph_.placement[0].slots_per_rank;
    int64_t slots = 0;
    for (const ExpertPlacement& placement : graph_.placement) slots += placement.slots_per_rank;
    add("expert cache", TensorKind::optimizer, Tier::host, DType::f32,
        3 * slot * std::min(slots, plan_.expert_storage.cache_entries));
  }

  bool is_expert_reduction(const Task& task) const {
    return task.op == Op::all_reduce &&
           std::any_of(graph_.parameters.begin(), graph_.parameters.end(),
                       [&](const Parameter& p) { return p.moe_layer >= 0 && p.gradient == gradient_of(task); });
  }

  Task transfer(Op op, Lane lane, Demand demand, const ExpertPass& pass, const std::string& what) const {
    Task task;
    task.op = op;
    task.lane = lane;
    task.demand = demand;
    task.phase = pass.phase;
    task.layer = pass.layer;
    task.moe_layer = pass.moe_layer;
    task.microbatch = pass.microbatch;
    task.fixed_rows = 1;
    if (plan_.layout.micro_batches > 1 && pass.phase != Phase::update)
      task.label = "microbatch " + std::to_string(pass.microbatch) + " / ";
    task.label += "layer " + std::to_string(pass.layer) + " / " + name_of(pass.phase) + " / " + what;
    return task;
  }

  /// The slots that a transfer brings; without a prediction all active ones are missing.
  Rows rows_of(Demand demand) const {
    if (demand == Demand::predicted) return Rows::predicted_slots;
    return demand == Demand::missing && ahead_ > 0 ? Rows::missing_slots : Rows::active_slots;
  }

  /// storage -> host memory -> device. `after`: what must have been computed before it may begin.
  std::vector<Task> bring(const ExpertPass& pass, Demand demand, std::vector<TensorId> reads,
                          std::vector<TensorId> after) {
    std::vector<Task> tasks;
    const char* slots = demand == Demand::predicted ? "predicted" : demand == Demand::missing ? "missing" : "active";
    const std::string which = std::string(" experts, ") + slots;
    if (storage_) {
      Task load = transfer(Op::load_experts, Lane::storage, demand, pass, "load" + which);
      load.reads = std::move(reads);
      load.after = std::move(after);
      const TensorId loaded = signal(load.label);
      load.writes = in_places({{LoadExperts::signal, loaded}});
      reads = in_places({{FetchExperts::ready, loaded}});
      after.clear();
      tasks.push_back(std::move(load));
    }
    Task fetch = transfer(Op::fetch_experts, Lane::copy_in, demand, pass, "fetch" + which);
    fetch.reads = std::move(reads);
    fetch.after = std::move(after);
    for (int index : experts_[pass.moe_layer].parameters) {
      const Tensor weight = tensor(parameter(index).weight);
      const std::string what = std::string(name_of(pass.phase)) + "." + slots;
      fetch.writes.push_back(add_window(pass, parameter(index), weight, rows_of(demand), what.c_str()));
    }
    std::vector<TensorId>& windows = weights_[{pass.moe_layer, pass.phase, pass.microbatch}];
    windows.insert(windows.end(), fetch.writes.begin(), fetch.writes.end());
    tasks.push_back(std::move(fetch));
    return tasks;
  }

  /// The activations that a task reads: what has been computed when it is its turn.
  std::vector<TensorId> inputs_of(const Task& task) const {
    std::vector<TensorId> inputs;
    for (TensorId id : task.reads) {
      const Tensor& read = graph_.tensors[id];
      if (read.kind == TensorKind::activation && read.row_elements > 0 && !is_offloaded(id)) inputs.push_back(id);
    }
    return inputs;
  }
  bool is_offloaded(TensorId id) const {
    return std::any_of(graph_.parameters.begin(), graph_.parameters.end(), [&](const Parameter& p) {
      return p.home != Tier::device && (p.weight == id || p.gradient == id);
    });
  }

  TensorId counts_of(const ExpertPass& pass) const {
    for (const ExpertPass& forward : passes_)
      if (forward.phase == Phase::forward && forward.moe_layer == pass.moe_layer &&
          forward.microbatch == pass.microbatch)
        return counts_made_by(task_at(forward.counted));
    throw InvariantError(__FILE__, __LINE__, "counts", "a MoE layer without a router");
  }

  /// Where the pass `ahead_` MoE layers before this one, of the same phase and microbatch, begins; else the phase.
  TaskIndex issue_at(size_t index) const {
    const ExpertPass& pass = passes_[index];
    TaskIndex at = pass.first;
    int left = ahead_;
    for (size_t i = index; left > 0 && i-- > 0;)
      if (passes_[i].phase == pass.phase && passes_[i].microbatch == pass.microbatch) at = passes_[i].first, --left;
    return at;
  }

  void bring_forward(size_t index) {
    const ExpertPass& pass = passes_[index];
    if (ahead_ > 0) {
      const TaskIndex at = issue_at(index);
      for (Task& task : bring(pass, Demand::predicted, {}, inputs_of(task_at(at)))) edit_.before(at, std::move(task));
    }
    for (Task& task : bring(pass, Demand::missing, {counts_of(pass)}, {})) edit_.behind(pass.counted, std::move(task));
  }

  void bring_backward(size_t index) {
    const ExpertPass& pass = passes_[index];
    const TaskIndex at = issue_at(index);
    for (Task& task : bring(pass, Demand::active, {counts_of(pass)}, inputs_of(task_at(at))))
      edit_.before(at, std::move(task));
    drain(pass);
  }

  /// The gradients of one microbatch: cleared, written, summed over the ranks that hold the same experts, taken to host
  /// memory, which adds them up.
  void drain(const ExpertPass& pass) {
    Task drain = transfer(Op::drain_gradients, Lane::copy_out, Demand::active, pass, "drain expert gradients");
    std::vector<TensorId> own;  // of up, down
    for (int index : experts_[pass.moe_layer].parameters) {
      const Parameter& p = parameter(index);
      const Tensor gradient = tensor(p.gradient);
      own.push_back(add_window(pass, p, gradient, Rows::used_slots, "used"));
      gradients_[{p.gradient, pass.microbatch}] = own.back();
      Task clear = transfer(Op::clear, Lane::compute, Demand::none, pass, "clear " + p.name + " gradient");
      clear.rows = Rows::used_slots;
      clear.shape.k = p.slot_elements;
      clear.writes = in_places({{Clear::x, own.back()}});
      clear.dtype = gradient.dtype;
      if (const auto used = stage_counts_.find({pass.moe_layer, pass.microbatch}); used != stage_counts_.end())
        clear.after = {used->second};
      edit_.before(pass.last_write, std::move(clear));
      if (graph_.group(p.replicas, 0).size() > 1) edit_.behind(pass.last_write, reduce(pass, p, own.back()));
    }
    const TensorId drained = signal(drain.label);
    drain.reads = in_places({{DrainGradients::d_up, own.front()},
                             {DrainGradients::d_down, own.back()},
                             {DrainGradients::counts, counts_of(pass)}});
    drain.writes = in_places({{DrainGradients::signal, drained}});
    experts_[pass.moe_layer].drained.push_back(drained);
    edit_.behind(pass.last_write, std::move(drain));
  }

  Task reduce(const ExpertPass& pass, const Parameter& p, TensorId gradient) const {
    Task task = transfer(Op::all_reduce, Lane::network, Demand::none, pass, "reduce " + p.name);
    task.rows = Rows::used_slots;
    task.communicator = p.replicas;
    task.bytes_per_row = bytes_of(graph_.tensors[gradient].dtype, p.slot_elements);
    task.reads = in_places({{Collective::sent, gradient}});
    task.writes = in_places({{Collective::received, gradient}});
    return task;
  }

  void rewrite() {
    for (size_t i = 0; i < graph_.tasks.size(); ++i)
      if (gradient_of_.contains(gradient_of(graph_.tasks[i]))) edit_.remove(TaskIndex(i));
    edit_.apply([this](TaskIndex, Task& task) { remap(task); });
  }

  /// Weights become the windows of the pass: up and down of each fetch.
  void remap(Task& task) {
    if (task.moe_layer < 0) return;
    const TensorId up = parameter(experts_[task.moe_layer].parameters[0]).weight;
    const auto [first, size] = facts_of(task.op).repeated_reads;
    if (size > 0 && first < task.reads.size() && task.reads[first] == up) {
      const std::vector<TensorId>& windows = weights_.at({task.moe_layer, task.phase, task.microbatch});
      task.reads.resize(first);
      task.reads.insert(task.reads.end(), windows.begin(), windows.end());
    }
    for (TensorId& write : task.writes)
      if (const auto own = gradients_.find({write, task.microbatch}); own != gradients_.end()) write = own->second;
  }

  /// The last layers' gradients are complete first.
  void update() {
    TensorId flushed_after = -1;
    for (auto entry = experts_.rbegin(); entry != experts_.rend(); ++entry) {
      const auto& [moe_layer, experts] = *entry;
      const ExpertPass pass{moe_layer, experts.layer, 0, Phase::update, 0, 0, 0};
      std::vector<TensorId> ready = experts.drained;  // the load's signal is the last of an update's
      if (storage_) {
        Task load = transfer(Op::load_experts, Lane::storage, Demand::active, pass, "load experts");
        const TensorId loaded = signal(load.label);
        load.reads = ready;
        load.writes = in_places({{LoadExperts::signal, loaded}});
        ready.push_back(loaded);
        graph_.tasks.push_back(std::move(load));
      }
      Task update = transfer(Op::update_experts, Lane::host, Demand::active, pass, "update experts");
      update.reads = ready;
      const TensorId updated = signal(update.label);
      update.writes = in_places({{UpdateExperts::signal, updated}});
      flushed_after = updated;
      graph_.tasks.push_back(update);
      if (!storage_) continue;
      Task store = transfer(Op::store_experts, Lane::storage, Demand::active, pass, "store experts");
      store.reads = in_places({{StoreExperts::updated, updated}});
      store.writes = in_places({{StoreExperts::signal, signal(store.label)}});
      graph_.tasks.push_back(std::move(store));
    }
    if (plan_.expert_storage.flush_period == 0 || !storage_) return;
    Task flush = transfer(Op::store_experts, Lane::storage, Demand::none, {-1, -1, 0, Phase::update, 0, 0, 0}, "");
    flush.label = "update / flush experts";
    flush.reads = in_places({{StoreExperts::updated, flushed_after}});
    flush.writes = in_places({{StoreExperts::signal, signal(flush.label)}});
    graph_.tasks.push_back(std::move(flush));
  }

  TaskGraph& graph_;
  GraphEdit edit_;
  const bool storage_;
  const int ahead_;
  const Plan& plan_;
  std::vector<ExpertPass> passes_;                          // in program order
  std::map<int, Experts> experts_;                          // by MoE layer
  std::map<Key, std::vector<TensorId>> weights_;            // windows: up, down of each fetch of the pass
  std::map<std::pair<int, int>, TensorId> stage_counts_;    // (MoE layer, microbatch) -> what says which slots are used
  std::map<TensorId, int> gradient_of_;                     // gradient -> parameter
  std::map<std::pair<TensorId, int>, TensorId> gradients_;  // (gradient, microbatch) -> that of the microbatch
};

}  // namespace

void expert_offload(TaskGraph& graph, const Plan& plan) {
  if (plan.expert_storage.home != Tier::device && !graph.placement.empty()) Offload(graph, plan).run();
}

}  // namespace moesaic
