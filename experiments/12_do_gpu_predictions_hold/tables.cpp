// The result as Markdown.
#include "experiments/12_do_gpu_predictions_hold/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string percent_figure(double share) { return number("%.1f", 100 * share); }
std::string signed_figure(double share) { return number("%+.1f", 100 * share); }
std::string ordered(int64_t right, int64_t pairs) { return std::to_string(right) + " of " + std::to_string(pairs); }

std::string errors_table(const std::vector<ServedErrors>& summary) {
  std::string table = "**Decode step against time per output token** (errors in %)\n\n" +
                      table_head({"rows", "number", "do not fit", "mostly bound by", "median", "mean", "p90",
                                  "signed, median", "with prefills between, median", "signed", "null model, median",
                                  "p90", "pairs in order", "null model"});
  for (const ServedErrors& e : summary)
    table += table_row({e.of, std::to_string(e.rows), std::to_string(e.too_large), e.bound_by, percent_figure(e.median),
                        percent_figure(e.mean), percent_figure(e.p90), signed_figure(e.median_of_signed),
                        percent_figure(e.with_prefills_median), signed_figure(e.with_prefills_median_of_signed),
                        percent_figure(e.null_median), percent_figure(e.null_p90), ordered(e.in_order, e.pairs),
                        ordered(e.null_in_order, e.pairs)});
  return table;
}

std::string trained_table(const std::vector<TrainedRow>& rows) {
  if (rows.empty()) return "";
  std::string table = "\n**Training step** (errors in %)\n\n" +
                      table_head({"model", "device", "layout", "microbatches", "measured, s", "predicted, s", "error",
                                  "null model", "mostly bound by", "peak memory, error", "fits", "framework"});
  for (const TrainedRow& row : rows) {
    const TrainedConfiguration& t = row.trained;
    const std::string layout = std::to_string(t.ranks) + " ranks, ep " + std::to_string(t.ep) +
                               (t.pp > 1 ? ", pp " + std::to_string(t.pp) : "") + ", ZeRO-" + std::to_string(t.zero);
    const std::string memory = row.memory_error() ? signed_figure(*row.memory_error()) : "";
    table += table_row({t.model + (t.layers ? ", " + std::to_string(*t.layers) + " layers" : ""), t.device, layout,
                        std::to_string(t.micro_batches), number("%.3f", t.step_s), number("%.3f", row.predicted_s),
                        signed_figure(row.error()), signed_figure(row.null_error()),
                        row.bound_by + " (" + number("%.0f", 100 * row.bound_share) + ")", memory,
                        row.fits ? "yes" : "no", t.framework});
  }
  return table;
}

std::string exchanged_table(const std::vector<ExchangedRow>& rows) {
  if (rows.empty()) return "";
  std::string table =
      "\n**All-to-all** (errors in %)\n\n" + table_head({"what", "device", "ranks", "bytes of a rank", "measured, us",
                                                         "predicted, us", "error", "null model"});
  for (const ExchangedRow& row : rows) {
    const ExchangedConfiguration& e = row.exchanged;
    table +=
        table_row({e.what, e.device, std::to_string(e.nodes) + " x " + std::to_string(e.devices_per_node),
                   std::to_string(e.rank_bytes), number("%.0f", 1e6 * e.seconds), number("%.0f", 1e6 * row.predicted_s),
                   signed_figure(row.error()), signed_figure(row.null_error())});
  }
  return table;
}

std::string left_out_table(const std::vector<LeftOut>& left_out) {
  std::string table = "\n**Left out**\n\n" + table_head({"model", "device", "rows", "why"});
  for (const LeftOut& row : left_out) table += table_row({row.model, row.device, std::to_string(row.rows), row.why});
  return table;
}

}  // namespace

std::string prediction_tables(const PredictionResult& result) {
  return errors_table(result.summary) + trained_table(result.trained) + exchanged_table(result.exchanged) +
         left_out_table(result.left_out);
}

}  // namespace moesaic::experiments
