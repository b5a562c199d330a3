#pragma once
// Kernel measurements of the package aiconfigurator-core, as scripts/kernel_tables_to_csv.py writes them: FOLDER is one
// GPU's, <family>/<framework>/<version>/<table>.csv, times in milliseconds.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/schema/cluster.h"
#include "core/schema/kernel_tables.h"
#include "core/schema/profile.h"

namespace moesaic {

/// What was read, and what was left out and why.
struct ImportedTables {
  KernelTables tables;
  std::vector<CollectiveCurve> collectives;
  std::vector<std::string> left_out;
};

/// Products in bf16, fp8 (block scales) and nvfp4, attention in bf16 with either cache, latent attention, routed
/// experts, collectives inside a node. `device`: whose rates the experts' model takes. Throws InputError for a folder
/// without tables and for tables that are not as expected.
ImportedTables read_kernel_package(const std::string& folder, const Device& device);

/// The dtype in which a kernel's weights are stored, as the package names it, whatever it makes of the activations that
/// come in bf16; nothing for one that the suite has no dtype for. Of fp8 that with a scale per block counts, as today's
/// checkpoints have it, not "fp8" with one per tensor.
std::optional<DType> weights_of(const std::string& name);

/// One table of the package as a file: of the first of the frameworks TensorRT-LLM, SGLang, vLLM whose table is there
/// and `suits`, the version with the most lines; of NCCL the last. "" without.
struct PackageTable {
  std::string file;
  std::string source;  // "gemm/trtllm/1.3.0rc20"
};
PackageTable find_table(const std::string& folder, const std::string& family, const std::string& name,
                        const std::function<bool(const std::string& file)>& suits = {});

/// The parts of it, one file each.
void read_products(const std::string& folder, const Device& device, ImportedTables& imported);
void read_attention(const std::string& folder, ImportedTables& imported);
void read_latent_attention(const std::string& folder, ImportedTables& imported);
void read_experts(const std::string& folder, const Device& device, ImportedTables& imported);
void read_collectives(const std::string& folder, ImportedTables& imported);

}  // namespace moesaic
