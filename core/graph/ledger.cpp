#include "core/graph/ledger.h"

#include <algorithm>
#include <utility>

#include "core/graph/verify_rules.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

/// Behind the operators, the bytes of rows on their way to the experts and back.
enum Exchanged : size_t { leave_sender = kNumOps, reach_experts, leave_experts, reach_sender, kEntries };
constexpr size_t kPhases = 2;  // forward, backward

/// Sums of gradients, regroupings and what moves data between ranks and tiers belong to the techniques.
bool is_conserved(Op op) {
  switch (family_of(op)) {
    case Family::embedding:
    case Family::norms:
    case Family::products:
    case Family::attention:
    case Family::latent_attention:
    case Family::router:
    case Family::einsum_rows:
    case Family::experts:
    case Family::loss:
      return true;
    case Family::activations:
      return op != Op::add;
    case Family::row_movers:
      return op != Op::regroup;
    case Family::optimizer:
    case Family::transfers:
    case Family::collectives:
      break;
  }
  return false;
}

/// Rows times dimensions; rows that routing decides are 1.
uint64_t volume_of(const Task& task) {
  uint64_t volume = task.rows <= Rows::local ? static_cast<uint64_t>(task.fixed_rows) : 1;
  const OpShape& s = task.shape;
  for (int64_t dimension : {s.n, s.k, s.sequence, s.heads, s.head_dim, s.value_dim})
    if (dimension > 0) volume *= static_cast<uint64_t>(dimension);
  return volume;
}

}  // namespace

Ledger::Ledger(const TaskGraph& graph) : chunks_(static_cast<uint64_t>(graph.num_chunks)) {
  for (const Task& task : graph.tasks) {
    layers_ = std::max(layers_, task.layer + 1);
    microbatches_ = std::max(microbatches_, task.microbatch + 1);
  }
  volumes_.resize(static_cast<size_t>(microbatches_) * static_cast<size_t>(layers_ + 1) * kPhases * kEntries, 0);
  for (const Task& task : graph.tasks) {
    if (task.phase == Phase::update) continue;
    if (is_conserved(task.op)) count(task, static_cast<size_t>(task.op), volume_of(task));
    if (is_routed(task.leg)) count_exchange(task);
  }
  for (const Parameter& p : graph.parameters) {
    const int64_t parts = p.partition < 0 ? 1 : rules::members_of(graph, p.partition, p.stage);
    holdings_.push_back({p.name, p.elements * parts, parts * rules::members_of(graph, p.replicas, p.stage)});
  }
}

void Ledger::count(const Task& task, size_t entry, uint64_t volume) {
  const auto pass =
      (static_cast<size_t>(task.microbatch) * static_cast<size_t>(layers_ + 1) + static_cast<size_t>(task.layer + 1)) *
          kPhases +
      static_cast<size_t>(task.phase);
  volumes_[pass * kEntries + entry] += volume * (task.num_chunks == 1 ? chunks_ : 1);
}

/// Rows that are relayed in between have left and have not arrived. A row that goes to a node once has left; what it is
/// repeated for is no row.
void Ledger::count_exchange(const Task& task) {
  const auto [before, behind] = rows_on(task.leg);
  const auto bytes = static_cast<uint64_t>(task.bytes_per_row);
  if (task.leg == Leg::places_out) return;
  if (before == Rows::sent || before == Rows::once_sent) count(task, leave_sender, bytes);
  if (behind == Rows::received) count(task, reach_experts, bytes);
  if (before == Rows::received) count(task, leave_experts, bytes);
  if (behind == Rows::sent) count(task, reach_sender, bytes);
}

void Ledger::check_conserved_by(const std::string& pass, const Ledger& behind, const PassLicence& licence) const {
  check_holdings(pass, behind);
  check_work(pass, behind, licence);
}

void Ledger::check_holdings(const std::string& pass, const Ledger& behind) const {
  MOESAIC_CHECK(holdings_.size() == behind.holdings_.size(), pass + " changes the number of parameters");
  for (size_t i = 0; i < holdings_.size(); ++i)
    MOESAIC_CHECK(holdings_[i] == behind.holdings_[i],
                  pass + " changes the elements of '" + holdings_[i].name + "' or how many ranks hold them");
}

void Ledger::check_work(const std::string& pass, const Ledger& behind, const PassLicence& licence) const {
  MOESAIC_CHECK(layers_ == behind.layers_ && microbatches_ == behind.microbatches_,
                pass + " changes the number of layers or microbatches");
  for (size_t i = 0; i < volumes_.size(); ++i) {
    const uint64_t before = volumes_[i] * behind.chunks_, now = behind.volumes_[i] * chunks_;
    const bool is_backward = i / kEntries % kPhases == static_cast<size_t>(Phase::backward);
    const uint64_t repeatable = licence.repeats_forward && is_backward ? volumes_[i - kEntries] * behind.chunks_ : 0;
    MOESAIC_CHECK(before <= now, pass + " loses " + describe(i));
    MOESAIC_CHECK(now - before <= repeatable, pass + " makes up " + describe(i));
  }
}

/// "linear of layer 3, microbatch 0, backward"
std::string Ledger::describe(size_t index) const {
  constexpr const char* kExchanged[] = {"rows that leave their rank", "rows that reach experts",
                                        "rows that leave experts", "rows that come back"};
  const size_t entry = index % kEntries, pass = index / kEntries, place = pass / kPhases;
  const auto layer = static_cast<int>(place % static_cast<size_t>(layers_ + 1)) - 1;
  return std::string(entry < leave_sender ? name_of(static_cast<Op>(entry)) : kExchanged[entry - leave_sender]) +
         (layer < 0 ? " outside the layers" : " of layer " + std::to_string(layer)) + ", microbatch " +
         std::to_string(place / static_cast<size_t>(layers_ + 1)) + ", " + name_of(static_cast<Phase>(pass % kPhases));
}

}  // namespace moesaic
