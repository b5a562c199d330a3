#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

Model changed(const std::string& name, const std::function<void(Json&)>& change) {
  Json json = read_json(testing::profiles("models/" + name + ".json"));
  change(json);
  return read_model(json, "dir/config.json");
}

std::string refused_at(const std::string& name, const std::function<void(Json&)>& change) {
  try {
    changed(name, change);
  } catch (const InputError& error) {
    return error.pointer().empty() ? "whole" : error.pointer();
  }
  return "accepted";
}

// The same key means another thing in another family: mixtral's intermediate_size is the width of an expert,
// qwen3_moe's of a dense layer.
TEST(HuggingFace, TakesTheExpertWidthFromTheRightKey) {
  EXPECT_EQ(changed("mixtral-8x7b", [](Json&) {}).expert_intermediate, 14336);
  EXPECT_EQ(changed("olmoe-1b-7b", [](Json&) {}).expert_intermediate, 1024);
  EXPECT_EQ(changed("gpt-oss-120b", [](Json&) {}).expert_intermediate, 2880);
  EXPECT_EQ(changed("qwen3-30b-a3b", [](Json&) {}).expert_intermediate, 768);
  EXPECT_EQ(changed("qwen3-30b-a3b", [](Json&) {}).dense_intermediate, 6144);
  EXPECT_EQ(changed("deepseek-v3", [](Json&) {}).expert_intermediate, 2048);
  EXPECT_EQ(changed("deepseek-v3", [](Json&) {}).shared_intermediate, 2048);
}

TEST(HuggingFace, FindsTheLayersWithExperts) {
  const Model deepseek = changed("deepseek-v3", [](Json&) {});
  EXPECT_EQ(deepseek.num_moe_layers(), 58);
  EXPECT_FALSE(deepseek.moe_layers[2]);
  EXPECT_TRUE(deepseek.moe_layers[3]);
  const Model qwen = changed("qwen3-30b-a3b", [](Json& json) {
    json["num_hidden_layers"] = 6;
    json["decoder_sparse_step"] = 2;
    json["mlp_only_layers"] = {3};
  });
  EXPECT_EQ(qwen.moe_layers, (std::vector<bool>{false, true, false, false, false, true}));
}

TEST(HuggingFace, ReadsElementTypesFromQuantization) {
  const auto types = [](const char* name) {
    const Model model = changed(name, [](Json&) {});
    return std::string(name_of(model.weight_dtype)) + " " + name_of(model.expert_dtype);
  };
  EXPECT_EQ(types("mixtral-8x7b"), "bf16 bf16");
  EXPECT_EQ(types("deepseek-v3"), "fp8 fp8");
  EXPECT_EQ(types("gpt-oss-120b"), "bf16 fp4");
}

// gpt-oss alternates and begins with a window; its published configuration says so layer by layer.
TEST(HuggingFace, FindsTheWindowedLayers) {
  const auto window = [](const char* name, const std::function<void(Json&)>& change) {
    const Model model = changed(name, [&](Json& json) {
      json["num_hidden_layers"] = 3;
      change(json);
    });
    return std::pair{model.sliding_window, model.windowed_layers};
  };
  using Window = std::pair<int64_t, std::vector<bool>>;
  const Window none{0, {}};
  EXPECT_EQ(window("gpt-oss-120b", [](Json&) {}), Window(128, {true, false, true}));
  EXPECT_EQ(window("gpt-oss-120b", [](Json& json) { json.erase("sliding_window"); }), Window(128, {true, false, true}));
  const Json types = {"full_attention", "sliding_attention", "sliding_attention"};
  EXPECT_EQ(window("gpt-oss-120b", [&](Json& json) { json["layer_types"] = types; }), Window(128, {false, true, true}));
  const Json full = {"full_attention", "full_attention", "full_attention"};
  EXPECT_EQ(window("gpt-oss-120b", [&](Json& json) { json["layer_types"] = full; }), none);
  EXPECT_EQ(window("mixtral-8x7b", [](Json&) {}), none);
  EXPECT_EQ(window("mixtral-8x7b", [](Json& json) { json["sliding_window"] = 4096; }),
            Window(4096, {true, true, true}));
  EXPECT_EQ(window("qwen3-30b-a3b", [](Json& json) { json["sliding_window"] = 4096; }), none);
  EXPECT_EQ(window("qwen3-30b-a3b",
                   [](Json& json) {
                     json["sliding_window"] = 4096;
                     json["use_sliding_window"] = true;
                   }),
            Window(4096, {true, true, true}));
  EXPECT_EQ(window("deepseek-v3", [](Json& json) { json["num_hidden_layers"] = 4; }), none);
}

// The defaults are those of transformers' configuration classes; newer files keep base and scaling together.
TEST(HuggingFace, ReadsPositionsAndNorms) {
  const Model qwen = changed("qwen3-30b-a3b", [](Json&) {});
  EXPECT_EQ(qwen.rope_theta, 1e6);
  EXPECT_EQ(qwen.norm_epsilon, 1e-6);
  EXPECT_FALSE(qwen.rope_scaled || qwen.qkv_clipped);
  const auto left_out = [](Json& json) { json.erase("rope_theta"), json.erase("rms_norm_eps"); };
  EXPECT_EQ(changed("qwen3-30b-a3b", left_out).rope_theta, 1e4);
  EXPECT_EQ(changed("qwen3-30b-a3b", left_out).norm_epsilon, 1e-6);
  EXPECT_EQ(changed("mixtral-8x7b", left_out).rope_theta, 1e6);
  EXPECT_EQ(changed("mixtral-8x7b", left_out).norm_epsilon, 1e-5);
  const auto together = [](const char* type) {
    return changed("qwen3-30b-a3b", [&](Json& json) {
      json["rope_parameters"] = {{"rope_theta", 5e5}, {"rope_type", type}};
    });
  };
  EXPECT_EQ(together("default").rope_theta, 5e5);
  EXPECT_FALSE(together("default").rope_scaled);
  EXPECT_TRUE(together("yarn").rope_scaled);
  EXPECT_TRUE(changed("qwen3-30b-a3b", [](Json& json) {
                json["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}};
              }).rope_scaled);
  EXPECT_TRUE(changed("olmoe-1b-7b", [](Json& json) { json["clip_qkv"] = 8.0; }).qkv_clipped);
}

TEST(HuggingFace, KeysInSightEndAtTheWindow) {
  const Model model = changed("gpt-oss-120b", [](Json&) {});
  EXPECT_EQ(model.keys_in_sight(0, 127), 127);
  EXPECT_EQ(model.keys_in_sight(0, 4096), 128);
  EXPECT_EQ(model.keys_in_sight(1, 4096), 4096);
  EXPECT_EQ(changed("mixtral-8x7b", [](Json&) {}).keys_in_sight(0, 4096), 4096);
}

TEST(HuggingFace, IgnoresWhatItDoesNotNeed) {
  const Model plain = changed("mixtral-8x7b", [](Json&) {});
  EXPECT_EQ(changed("mixtral-8x7b", [](Json& json) { json["pad_token_id"] = 2; }), plain);
  EXPECT_EQ(changed("mixtral-8x7b", [](Json& json) { json["head_dim"] = nullptr; }), plain);
  EXPECT_EQ(changed("gpt-oss-120b", [](Json& json) { json.erase("num_experts_per_tok"); }).top_k, 4);
  EXPECT_EQ(plain.name, "dir");  // the folder of a config.json is named after the model
}

TEST(HuggingFace, RefusesWhatItNeedsAndCannotUse) {
  EXPECT_EQ(refused_at("mixtral-8x7b", [](Json& json) { json.erase("num_local_experts"); }), "/num_local_experts");
  EXPECT_EQ(refused_at("mixtral-8x7b", [](Json& json) { json["intermediate_size"] = "14336"; }), "/intermediate_size");
  EXPECT_EQ(refused_at("qwen3-30b-a3b", [](Json& json) { json.erase("moe_intermediate_size"); }),
            "/moe_intermediate_size");
  EXPECT_EQ(refused_at("deepseek-v3", [](Json& json) { json.erase("kv_lora_rank"); }), "/kv_lora_rank");
  EXPECT_EQ(refused_at("mixtral-8x7b", [](Json& json) { json["model_type"] = "llama"; }), "/model_type");
  EXPECT_EQ(refused_at("mixtral-8x7b", [](Json& json) { json["hidden_act"] = "relu"; }), "/hidden_act");
  EXPECT_EQ(refused_at("mixtral-8x7b", [](Json& json) { json["torch_dtype"] = "int8"; }), "/torch_dtype");
  EXPECT_EQ(refused_at("deepseek-v3", [](Json& json) { json["quantization_config"]["quant_method"] = "int9"; }),
            "/quantization_config/quant_method");
  EXPECT_EQ(refused_at("mixtral-8x7b", [](Json& json) { json["sliding_window"] = 0; }), "/sliding_window");
  EXPECT_EQ(refused_at("gpt-oss-120b", [](Json& json) { json["layer_types"] = {"full_attention"}; }), "/layer_types");
  EXPECT_EQ(refused_at("gpt-oss-120b", [](Json& json) { json["layer_types"] = {"chunked_attention"}; }),
            "/layer_types/0");
  EXPECT_EQ(refused_at("mixtral-8x7b", [](Json& json) { json["num_attention_heads"] = 33; }), "whole");
  EXPECT_EQ(refused_at("mixtral-8x7b", [](Json& json) { json["num_experts_per_tok"] = 9; }), "whole");
  EXPECT_EQ(refused_at("qwen3-30b-a3b", [](Json& json) { json["mlp_only_layers"] = {48}; }), "/mlp_only_layers/0");
}

TEST(GptMoe, ShortFormHasStatedDefaults) {
  const Model model =
      read_model(parse_json(R"({"kind": "moesaic.model/1", "family": "gpt_moe", "layers": 4, "hidden": 64, "heads": 4,
      "vocabulary": 256, "experts": 8, "top_k": 1, "moe_layers": "every_other"})",
                            "m.json"),
                 "m.json");
  EXPECT_EQ(model.expert_intermediate, 256);
  EXPECT_EQ(model.dense_intermediate, 256);
  EXPECT_EQ(model.head_dim, 16);
  EXPECT_EQ(model.moe_layers, (std::vector<bool>{false, true, false, true}));
  EXPECT_FALSE(model.normalize_top_k);
  EXPECT_EQ(model.auxiliary_coefficient, 0.01);
}

TEST(GptMoe, RefusesAbsurdSizesWithoutOverflow) {
  Json json =
      parse_json(R"({"kind": "moesaic.model/1", "family": "gpt_moe", "layers": 10000, "hidden": 1048576, "heads": 1,
      "vocabulary": 67108864, "experts": 65536, "top_k": 65536, "intermediate": 4194304})",
                 "m.json");
  EXPECT_THROW(read_model(json, "m.json"), InputError);
  json["layers"] = 1, json["experts"] = json["top_k"] = 1;
  EXPECT_GT(count_parameters(read_model(json, "m.json")).total(), 0);
}

}  // namespace
}  // namespace moesaic
