#pragma once
// Reads a Hugging Face config.json of a Mixture-of-Experts model. Only the shape is taken; generation settings are not
// looked at.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/schema/model.h"

namespace moesaic {

/// Families: the rows of hugging_face_families.cpp. null counts as absent. A needed key that is missing, of a wrong
/// type or out of range throws InputError, as do a family that is not known, and a key that is not known and whose name
/// says that it may change a shape; other keys that are not known stand in left_out.
Model read_hugging_face(const nlohmann::ordered_json& config, const std::string& file, const std::string& pointer);

}  // namespace moesaic
