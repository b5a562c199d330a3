#pragma once
// How do the core seconds and the memory of simulating one training step grow with the cluster and with the model?

#include <string>
#include <vector>

#include "experiments/15_what_does_simulating_cost/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

struct CostAxes {
  std::string name, model, cluster;
  int ep = 1;  // at most as many as there are GPUs
  int64_t sequence_length = 0;
  std::vector<std::string> engines;
  std::vector<double> zipf_exponents;
  std::vector<int> gpus, layers;
  int layers_of_clusters = 0, gpus_of_models = 0;  // what stays as the other grows
  int rounds = 0;
};
CostAxes read_cost_axes(const Json& json, const std::string& file);

struct CostCase {
  std::string engine;
  double zipf_exponent = 0;
  int gpus = 0, layers = 0;
  bool operator==(const CostCase&) const = default;
};
/// By engine and routing: the clusters, then the models that are not among them.
std::vector<CostCase> cost_cases(const CostAxes& axes);
/// One sequence per rank, on as many nodes of the cluster as the GPUs need; layers beyond the model's are like its
/// last.
Plan cost_plan(const CostAxes& axes, const CostCase& c, const Model& model, const Cluster& cluster);

CostResult run_cost_study(const CostAxes& axes, const Laboratory& laboratory);
/// Growth and widest difference of `result.rows`.
void summarize_costs(CostResult& result);
/// Of one engine and routing along "gpus" or "layers", by size; each size once.
std::vector<CostRow> rows_along(const CostResult& result, const std::string& axis, const std::string& engine,
                                double zipf_exponent);
std::string cost_tables(const CostResult& result);

extern const Study kCostStudy;

}  // namespace moesaic::experiments
