#pragma once
// Reads a Hugging Face config.json of a Mixture-of-Experts model. Only the shape is taken; generation settings are not
// looked at.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/schema/model.h"

namespace moesaic {

/// Families: mixtral, qwen3_moe, deepseek_v3, kimi_k2, olmoe, gpt_oss. Keys that are not needed are ignored, as they
/// are many and ever new; a needed key that is missing, of a wrong type or out of range throws InputError. null counts
/// as absent.
Model read_hugging_face(const nlohmann::ordered_json& config, const std::string& file, const std::string& pointer);

}  // namespace moesaic
