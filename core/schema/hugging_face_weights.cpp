#include "core/schema/hugging_face_weights.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace moesaic::hugging_face {
namespace {

constexpr IntegerRange kBits{1, 32};
constexpr IntegerRange kGroup{-1, 1 << 20};

DType base_type(Config& config) {
  constexpr const char* kNames[] = {"float32", "bfloat16", "float16"};
  constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16};
  const Field dtype = config({"torch_dtype", "dtype"});
  return dtype.present() ? kTypes[dtype.choice(kNames)] : DType::bf16;  // what all these families are published in
}

/// Of integers of so many bits in groups.
DType integer_type(const Field& bits, const Field& group, int64_t group_else) {
  if (bits.integer(kBits) != 4)
    bits.refuse("is a width of integer weights that is not known here", "4 bits",
                "read the configuration without quantization_config, and say expert_dtype in moesaic.model/1");
  const int64_t size = group.integer(kGroup, group_else);
  if (size != 32 && size != 128) group.refuse("is " + std::to_string(size) + " weights per scale", "32 or 128");
  return size == 32 ? DType::int4 : DType::int4_128;
}

/// compressed-tensors: the one group of layers, whose weights are floats or integers in groups.
DType compressed_type(ObjectReader quantization) {
  ObjectReader groups = quantization["config_groups"].object();
  if (groups.json().size() != 1) groups.refuse("holds several kinds of weights", "one group");
  ObjectReader weights = groups[groups.json().begin().key()].object()["weights"].object();
  constexpr const char* kTypes[] = {"int", "float"};
  const Field bits = weights["num_bits"], group = weights["group_size"];
  if (weights["type"].choice(kTypes) == 0) return integer_type(bits, group, -1);
  if (bits.integer(kBits) == 8) return DType::fp8;
  if (bits.integer(kBits) != 4) bits.refuse("is a width of floats that is not known here", "4 or 8 bits");
  return group.integer(kGroup, 16) == 32 ? DType::fp4 : DType::nvfp4;
}

DType modelopt_type(ObjectReader quantization) {
  constexpr const char* kAlgorithms[] = {"NVFP4", "FP8"};
  return quantization["quant_algo"].choice(kAlgorithms) == 0 ? DType::nvfp4 : DType::fp8;
}

DType quantized_type(ObjectReader q) {
  constexpr const char* kMethods[] = {"fp8", "mxfp4", "gptq", "awq", "compressed-tensors", "modelopt"};
  switch (q["quant_method"].choice(kMethods)) {
    case 0:
      return DType::fp8;
    case 1:
      return DType::fp4;
    case 2:
    case 3:
      return integer_type(q["bits"], q["group_size"], 128);
    case 4:
      return compressed_type(q);
    default:
      return modelopt_type(q);
  }
}

/// "model.layers.*.self_attn", "re:.*self_attn.*", "model.layers.3.self_attn.q_a_proj"; not a norm in it.
bool names_attention(std::string module) {
  while (!module.empty() && std::string("*.$").find(module.back()) != std::string::npos) module.pop_back();
  return module.ends_with("self_attn") || (module.find("self_attn.") != std::string::npos && module.ends_with("_proj"));
}

/// Do the modules that stay as they were include attention?
bool spares_attention(ObjectReader q) {
  for (const char* key : {"modules_to_not_convert", "ignored_layers", "ignore", "exclude_modules"})
    if (const Field modules = q[key]; modules.present())
      for (size_t i = 0; i < modules.size(); ++i)
        if (names_attention(modules[i].text())) return true;
  return false;
}

}  // namespace

/// Experts are quantised wherever anything is; attention and what lies beside it unless it is spared, in whole or in
/// part. No method here quantises embedding and head.
void read_weight_types(Config& config, Model& model) {
  model.weight_dtype = model.expert_dtype = base_type(config);
  const Field quantization = config({"quantization_config", "compression_config"});
  if (!quantization.present()) return;
  const DType base = model.weight_dtype;
  model.expert_dtype = quantized_type(quantization.object());
  if (model.expert_dtype == DType::fp4 || spares_attention(quantization.object())) return;
  model.weight_dtype = model.expert_dtype;
  model.table_dtype = base;
}

}  // namespace moesaic::hugging_face
