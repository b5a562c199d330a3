#include "core/format/kernel_package.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/schema/error.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

int64_t lines_of(const fs::path& file) {
  std::ifstream stream(file);
  return std::count(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>(), '\n');
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->is_directory()) folders.push_back(entry->path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

}  // namespace

std::optional<DType> weights_of(const std::string& name) {
  if (name == "bfloat16") return DType::bf16;
  if (name == "fp8_block") return DType::fp8;
  if (name == "w4a16_mxfp4" || name == "w4a8_mxfp4_mxfp8") return DType::fp4;
  if (name == "nvfp4") return DType::nvfp4;
  return {};
}

PackageTable find_table(const std::string& folder, const std::string& family, const std::string& name,
                        const std::function<bool(const std::string& file)>& suits) {
  for (const char* framework : {"nccl", "trtllm", "sglang", "vllm"}) {
    PackageTable best;
    int64_t most = 0;
    for (const fs::path& version : folders_in(fs::path(folder) / family / framework)) {
      const fs::path file = version / (name + ".csv");
      std::error_code ignored;
      if (!fs::exists(file, ignored) || (suits && !suits(file))) continue;
      // Of versions with as many lines, and of NCCL's, the later one: folders come in order.
      const int64_t lines = lines_of(file);
      if (lines >= most || std::string(framework) == "nccl")
        best = {file, family + "/" + framework + "/" + version.filename().string()}, most = lines;
    }
    if (!best.file.empty()) return best;
  }
  return {};
}

ImportedTables read_kernel_package(const std::string& folder, const Device& device) {
  ImportedTables imported;
  read_products(folder, device, imported);
  read_attention(folder, imported);
  read_latent_attention(folder, imported);
  read_experts(folder, device, imported);
  read_collectives(folder, imported);
  if (imported.tables.kernels.empty() && imported.tables.experts.empty())
    throw InputError(folder, "", "holds no kernel tables",
                     "a GPU's folder that scripts/kernel_tables_to_csv.py wrote, such as tables/h200_sxm");
  imported.tables.package = "aiconfigurator-core 0.12.0 (PyPI)";
  imported.tables.licence = "Apache-2.0";
  imported.tables.device = device.name;
  imported.tables.memory_bandwidth_bytes_per_s = device.memory_bandwidth_bytes_per_s;
  imported.tables.peak_f32_flops_per_s = device.peak_f32_flops_per_s;
  imported.tables.peak_bf16_flops_per_s = device.peak_bf16_flops_per_s;
  imported.tables.peak_fp8_flops_per_s = device.peak_fp8_flops_per_s;
  imported.tables.peak_fp4_flops_per_s = device.peak_fp4_flops_per_s;
  imported.tables.multiprocessors = device.multiprocessors;
  return imported;
}

}  // namespace moesaic
