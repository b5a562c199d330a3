#include "core/format/pytorch_trace.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/format/pytorch_exchanges.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using Splits = std::vector<int64_t>;

/// One rank's exchanges, checked: dispatches of forward passes, in order.
std::vector<Exchange> dispatches_of(const RankExchanges& rank, const TraceReading& reading) {
  const int64_t layers = reading.moe_layers, of_step = layers * (reading.training ? 4 : 2);
  const auto count = static_cast<int64_t>(rank.exchanges.size());
  if (count == 0 || count % of_step != 0)
    throw InputError(rank.file, "/traceEvents", "has " + std::to_string(count) + " all_to_allv of the group",
                     "a multiple of " + std::to_string(of_step) + ": a dispatch and a combine for each of " +
                         std::to_string(layers) + " MoE layers" + (reading.training ? ", forward and backward" : ""),
                     "say the number of MoE layers and whether it is training; trace whole steps");
  std::vector<Exchange> forward;
  for (size_t i = 0; i < rank.exchanges.size(); i += 2) {
    const Exchange &dispatch = rank.exchanges[i], &combine = rank.exchanges[i + 1];
    if (combine.sent != dispatch.received || combine.received != dispatch.sent)
      throw InputError(rank.file, combine.pointer, "does not return the rows of the exchange before it",
                       "a dispatch and its combine in turn", "name the group of the experts");
    const auto pair = static_cast<int64_t>(i / 2), in_step = pair % (reading.training ? 2 * layers : layers);
    if (in_step < layers) {
      forward.push_back(dispatch);
    } else if (dispatch.sent != forward[forward.size() - 1 - static_cast<size_t>(in_step - layers)].sent) {
      throw InputError(rank.file, dispatch.pointer, "is not the exchange of the forward pass",
                       "a backward pass with the same rows, last layer first",
                       "recomputed layers exchange again: trace without recomputation");
    }
  }
  return forward;
}

/// The ranks in the order of their numbers, each with a trace of its own.
std::vector<RankExchanges> sorted_ranks(const std::vector<TraceOfRank>& traces, const TraceReading& reading) {
  std::vector<RankExchanges> ranks;
  for (const TraceOfRank& trace : traces) ranks.push_back(read_exchanges(trace.json, trace.file, reading.group));
  std::sort(ranks.begin(), ranks.end(), [](const RankExchanges& a, const RankExchanges& b) { return a.rank < b.rank; });
  for (size_t i = 1; i < ranks.size(); ++i)
    if (ranks[i].rank == ranks[i - 1].rank)
      throw InputError(ranks[i].file, "",
                       "is of rank " + std::to_string(ranks[i].rank) + ", as is " + ranks[i - 1].file,
                       "one trace per rank");
  for (const RankExchanges& rank : ranks)
    for (const Exchange& exchange : rank.exchanges)
      if (exchange.sent.size() != ranks.size() || exchange.received.size() != ranks.size())
        throw InputError(
            rank.file, exchange.pointer,
            "is an exchange of " +
                std::to_string(exchange.sent.size() == ranks.size() ? exchange.received.size() : exchange.sent.size()) +
                " ranks",
            std::to_string(ranks.size()) + ": there is a trace of so many", "give the traces of all ranks");
  return ranks;
}

void check_agreement(const std::vector<RankExchanges>& ranks, const std::vector<std::vector<Exchange>>& dispatches) {
  for (size_t to = 0; to < ranks.size(); ++to) {
    if (dispatches[to].size() != dispatches[0].size())
      throw InputError(ranks[to].file, "/traceEvents",
                       "has " + std::to_string(dispatches[to].size()) + " dispatches, " + ranks[0].file + " has " +
                           std::to_string(dispatches[0].size()),
                       "traces of the same steps");
    for (size_t i = 0; i < dispatches[to].size(); ++i)
      for (size_t from = 0; from < ranks.size(); ++from)
        if (dispatches[to][i].received[from] != dispatches[from][i].sent[to])
          throw InputError(ranks[to].file, dispatches[to][i].pointer,
                           "receives " + std::to_string(dispatches[to][i].received[from]) + " rows of rank " +
                               std::to_string(ranks[from].rank) + ", which sent " +
                               std::to_string(dispatches[from][i].sent[to]),
                           "traces of the same steps");
  }
}

/// Rows to each rank -> rows to each expert.
void append_spread(const Splits& sent, int64_t experts_of_rank, std::vector<int64_t>& counts) {
  for (const int64_t rows : sent)
    for (int64_t expert = 0; expert < experts_of_rank; ++expert)
      counts.push_back(rows / experts_of_rank + (expert < rows % experts_of_rank ? 1 : 0));
}

}  // namespace

ImportedRouting read_pytorch_traces(const std::vector<TraceOfRank>& traces, const TraceReading& reading) {
  MOESAIC_CHECK(!traces.empty() && reading.moe_layers > 0, "a trace and a layer are needed");
  const std::vector<RankExchanges> ranks = sorted_ranks(traces, reading);
  const auto num_ranks = static_cast<int64_t>(ranks.size());
  if (reading.experts % num_ranks != 0)
    throw InputError(ranks[0].file, "",
                     "is one of " + std::to_string(num_ranks) + " ranks, which do not divide " +
                         std::to_string(reading.experts) + " experts",
                     "as many experts on every rank", "say how many experts a layer has");
  std::vector<std::vector<Exchange>> dispatches;
  for (const RankExchanges& rank : ranks) dispatches.push_back(dispatches_of(rank, reading));
  check_agreement(ranks, dispatches);
  ImportedRouting imported;
  RoutingDocument& routing = imported.routing;
  routing.num_moe_layers = reading.moe_layers;
  routing.num_sources = num_ranks;
  routing.num_experts = reading.experts;
  routing.num_iterations = static_cast<int64_t>(dispatches[0].size()) / reading.moe_layers;
  if (has_too_many_counts(routing.shape()))
    throw InputError(ranks[0].file, "/traceEvents",
                     "makes more than " + std::to_string(kMostCounts) + " rows per expert with the other traces",
                     "fewer steps");
  for (size_t i = 0; i < dispatches[0].size(); ++i) {
    const auto all = [&](int64_t sum, const std::vector<Exchange>& rank) {
      return std::accumulate(rank[i].sent.begin(), rank[i].sent.end(), sum);
    };
    if (std::accumulate(dispatches.begin(), dispatches.end(), int64_t{0}, all) == 0)
      throw InputError(ranks[0].file, dispatches[0][i].pointer, "exchanges no rows on any rank", "a row in every layer",
                       "trace a step that has tokens");
    for (const std::vector<Exchange>& rank : dispatches)
      append_spread(rank[i].sent, reading.experts / num_ranks, routing.counts);
  }
  imported.left_out.push_back("which expert of a rank takes a row is not traced: the " +
                              std::to_string(reading.experts / num_ranks) + " of each share its rows evenly");
  return imported;
}

}  // namespace moesaic
