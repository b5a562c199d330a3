#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

Json config(const std::string& name) { return read_json(testing::profiles("models/" + name + ".json")); }
Model model_of(const Json& json) { return read_model(json, "dir/config.json"); }
Model shipped_model(const std::string& name) { return model_of(config(name)); }

struct Counted {
  const char* name;
  int64_t total, active;
};

void expect_counts(const std::vector<Counted>& rows) {
  for (const Counted& row : rows) {
    SCOPED_TRACE(row.name);
    const Model model = shipped_model(row.name);
    EXPECT_EQ(count_parameters(model).total(), row.total);
    EXPECT_EQ(active_parameters(model), row.active);
  }
}

// Below, L layers of hidden h, a head's width d, an FFN of width F has 3 h F, and a(q, k, d) = h (q + 2 k) d + q d h is
// attention of q heads and k key-value heads. Each model ends with a norm and, unless tied, has two tables V h.
//
// mixtral-8x22b: L 56, h 6144, V 32000: 56 (a(48, 8, 128) + 8 * 3 h 16384 + 8 h + 2 h) + h + 2 V h; a token visits 2
// of 8. qwen1.5: L 24, h 2048, V 151936: 24 (a(16, 16, 128) + 3 * 2048 biases of q, k, v + 60 * 3 h 1408 + 3 h 5632 of
// the
//   shared expert + h of its gate + 60 h + 2 h) + h + 2 V h; 4 of 60. qwen2-57b likewise: L 28, h 3584, a(28, 4, 128),
//   64 experts of 2560, 8 of them, the shared one of 20480.
// gpt-oss-20b: L 24, h 2880, V 201088: 24 (a(64, 8, 64) + 80 * 64 + h biases + 64 sinks + 32 (3 h h + 3 h biases) + 32
// h +
//   32 + 2 h) + h + 2 V h; 4 of 32.
// llama-4-scout: L 48, h 5120, V 202048: 48 (a(40, 8, 128) + 16 * 3 h 8192 + 3 h 8192 shared + 16 h + 2 h) + h + 2 V h;
// the
//   norms of queries and keys have no gains; 1 of 16. maverick: layers 1, 3, ... of 128 experts, the others dense, 3 h
//   16384.
// dbrx: L 40, h 6144, V 100352: 40 (a(48, 8, 128) + 16 * 3 h 10752 + 16 h + 2 h) + h + 2 V h; LayerNorms have no
// biases; 4
//   of 16.
// phi-3.5-moe: L 32, h 4096, V 32064: 32 (a(32, 8, 128) + 48 * 128 + h biases + 16 * 3 h 6400 + 16 h + 2 * 2 h) + 2 h +
//   2 V h + V biases of the head; 2 of 16.
// granite: L 32, h 1536, V 49155, tied: 32 (a(24, 8, 64) + 40 * 3 h 512 + 40 h + 2 h) + h + V h; 8 of 40.
// minimax-m2.5: L 62, h 3072, V 200064: 62 (a(48, 8, 128) + 56 * 128 of norms over all heads + 256 * 3 h 1536 + 256 h +
// 256
//   + 2 h) + h + 2 V h; 8 of 256.
// glm-4.5-air: L 46, h 4096, V 151552: 46 (a(96, 8, 128) + 112 * 128 biases of q, k, v + 2 h) + 3 h 10944 + 45 (129 * 3
// h
//   1408 + 128 h + 128) + h + 2 V h; 8 of 128.
// arctic: L 35, h 7168, V 32000: 35 (a(56, 8, 128) + 128 * 3 h 4864 + 128 h + 3 h h of the dense residual + 3 h of
// norms) + h
//   + 2 V h; 2 of 128.
TEST(Families, CountWhatPublishedModelsHave) {
  expect_counts({{"mixtral-8x22b", 140620634112, 39152031744},
                 {"qwen1.5-moe-a2.7b", 14315784192, 2689173504},
                 {"qwen2-57b-a14b", 57408658944, 14249270784},
                 {"gpt-oss-20b", 20914757184, 4187440704},
                 {"llama-4-scout", 107769861120, 17172894720},
                 {"llama-4-maverick", 400711848960, 17184691200},
                 {"dbrx-base", 131596523520, 36469708800},
                 {"phi-3.5-moe", 41873153344, 6640999744},
                 {"granite-3.0-3b-a800m", 3298793472, 882874368},
                 {"minimax-m2.5", 228689764864, 11030553088},
                 {"glm-4.5-air", 106852251264, 13424129664},
                 {"arctic", 478584608768, 17318647808}});
}

// Layers that are a recurrence count as what they are.
// qwen3.5: h 4096, V 248320. A gated delta net has keys of 16 * 128 = 2048, values of 64 * 128 = 8192: in_proj h (2 *
// 2048 +
//   2 * 8192) + h 2 * 64, convolution 4 (2 * 2048 + 8192), 2 * 64 of A and dt, a norm of 128, out 8192 h: 118,014,208.
//   Attention: h (2 * 32 + 2 * 2) 256 + 32 * 256 h, norms 512. 15 of it, 45 nets, 60 (512 * 3 h 1024 + 3 h 1024 + h +
//   512 h + 2 h) + h + 2 V h. State of a sequence: 45 (8192 * 128 + 3 * 12288) = 48,844,800 elements.
// jamba: h 4096, V 65536. Mamba, inner 8192, state 16, dt 256: in 2 * 8192 h, convolution 5 * 8192, x 8192 * 288, dt
// 257 *
//   8192, A and D 17 * 8192, out 8192 h, norms 288: 105,308,448. 4 of attention a(32, 8, 128), 28 of mamba, 16 (16 * 3
//   h 14336 + 16 h), 16 * 3 h 14336, 32 * 2 h + h + 2 V h. State: 28 * 8192 (16 + 3) = 4,358,144.
// minimax-text-01: h 6144, 10 layers of a(64, 8, 128), 70 of lightning: 5 h 8192 + 8192. State: 70 * 64 * 128 * 128.
TEST(Families, CountRecurrencesAsWhatTheyAre) {
  expect_counts({{"qwen3.5-397b-a17b", 396346350336, 17349040896},
                 {"jamba-v0.1", 51570323328, 12110311296},
                 {"qwen3-next-80b-a3b", 79674391296, 3874929408},
                 {"minimax-text-01", 456089655296, 48403306496}});
  struct Kept {
    const char* name;
    int64_t attention, parameters, state;
  };
  for (const Kept& row : {Kept{"qwen3.5-397b-a17b", 15, 118014208, 45 * 1085440},
                          {"jamba-v0.1", 4, 105308448, 28 * 155648},
                          {"minimax-text-01", 10, 251666432, 70 * 1048576}}) {
    SCOPED_TRACE(row.name);
    const Model model = shipped_model(row.name);
    ASSERT_TRUE(model.recurrent);
    EXPECT_EQ(model.num_attention_layers(), row.attention);
    EXPECT_EQ(model.recurrent->parameters, row.parameters);
    EXPECT_EQ((model.num_layers - row.attention) * model.recurrent->state_elements, row.state);
  }
  EXPECT_EQ(shipped_model("qwen3.5-397b-a17b").keys_in_sight(0, 4096), 0);
  EXPECT_EQ(shipped_model("qwen3.5-397b-a17b").keys_in_sight(3, 4096), 4096);
}

// Latent attention of rank c_q, c: h c_q + c_q n (d + r) + h (c + r) + c n (d + v) + n v h and norms c_q + c.
// The indexer of DeepSeek-V3.2, 61 (1536 * 64 * 128 + 7168 (128 + 64) + 2 * 128), is left out and says so.
TEST(Families, CountLatentAttention) {
  expect_counts({{"deepseek-v2", 235741434880, 21375800320},
                 {"deepseek-v2-lite", 15706484224, 2661150208},
                 {"deepseek-v3.2", 671026419200, 37552297472},
                 {"kimi-k2", 1026408232448, 32861500928},
                 {"glm-5", 743180209920, 41053720320}});
  EXPECT_EQ(shipped_model("deepseek-v3.2").left_out,
            (std::vector<std::string>{"the indexer of sparse attention: 851,524,864 parameters in 61 layers",
                                      "1 multi-token prediction module (num_nextn_predict_layers)"}));
  EXPECT_EQ(shipped_model("deepseek-v3").cached_elements(), 576);
}

// Later files say layer by layer what others say by a number, and some layers share an indexer. Of 4 layers two have
// one: 2 (2048 * 32 * 128 + 6144 (128 + 32) + 2 * 128) = 18,743,808.
TEST(Families, ReadWhatIsSaidLayerByLayer) {
  Json json = config("glm-5");
  json["num_hidden_layers"] = 4;
  json.erase("first_k_dense_replace");
  json["mlp_layer_types"] = {"dense", "sparse", "dense", "sparse"};
  json["indexer_types"] = {"full", "shared", "shared", "full"};
  json["layer_types"] = std::vector<std::string>(4, "deepseek_sparse_attention");
  const Model glm = model_of(json);
  EXPECT_EQ(glm.moe_layers, (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(glm.left_out.front(), "the indexer of sparse attention: 18,743,808 parameters in 2 layers");
  EXPECT_EQ(glm.sparse_keys, 2048);
  json = config("minimax-m2.5");
  json["attn_type_list"] = std::vector<int>(62, 1);
  json["shared_intermediate_size"] = {0};
  EXPECT_EQ(model_of(json), shipped_model("minimax-m2.5"));
}

// Totals as the models' makers say them.
TEST(Families, AreWithinHalfAPercentOfPublishedTotals) {
  for (const auto& [name, total] : std::vector<std::pair<const char*, double>>{{"qwen3-235b-a22b", 235.09e9},
                                                                               {"qwen2-57b-a14b", 57.41e9},
                                                                               {"deepseek-v2", 236e9},
                                                                               {"deepseek-v2-lite", 15.7e9},
                                                                               {"kimi-k2", 1.026e12},
                                                                               {"glm-5", 744e9},
                                                                               {"qwen3-next-80b-a3b", 79.7e9},
                                                                               {"llama-4-maverick", 400e9},
                                                                               {"minimax-text-01", 456e9},
                                                                               {"hunyuan-a13b", 80.4e9}})
    EXPECT_NEAR(static_cast<double>(count_parameters(shipped_model(name)).total()) / total, 1, 0.005) << name;
}

// The files of GLM-4.5 hold 358 B: with its multi-token prediction module, a layer 160 + 1 experts wide, a projection
// of 2 h to h, and tables of its own. h 5120, V 151552, attention and biases as above.
TEST(Families, LeaveOutWhatGlmPredictsFurtherTokensWith) {
  constexpr int64_t h = 5120, attention = h * (96 + 16) * 128 + 96 * 128 * h + 112 * 128;
  constexpr int64_t module = attention + 161 * 3 * h * 1536 + 160 * h + 2 * h * h + 2 * 151552 * h;
  const Model glm = shipped_model("glm-4.5");
  EXPECT_EQ(glm.left_out.size(), 1u);
  EXPECT_NEAR(static_cast<double>(count_parameters(glm).total() + module) / 358e9, 1, 0.005);
}

// What is served today goes by the name that its hub gives it.
TEST(Families, ServedModelsAreReadByTheirHubNames) {
  for (const char* name :
       {"MiniMaxAI/MiniMax-M2.5", "Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3.5-397B-A17B", "deepseek-ai/DeepSeek-R1",
        "deepseek-ai/DeepSeek-V3", "moonshotai/Kimi-K2.5", "nvidia/DeepSeek-R1-NVFP4", "nvidia/DeepSeek-V3.1-NVFP4",
        "openai/gpt-oss-120b", "zhipuai/GLM-5"}) {
    SCOPED_TRACE(name);
    const std::string file = resolve_document(name, "models", {testing::profiles("")});
    EXPECT_GT(count_parameters(read_model(read_json(file), file)).total(), 100'000'000'000);
  }
}

// gpt-oss-20b: 19,110,297,600 weights and 6,635,520 biases of experts in 4.25 bits, 1,797,824,064 others in 2 bytes.
// deepseek-v3: 669,173,061,120 in a byte each and 4 more per 16,384, tables of 1,853,358,080 in 2 bytes.
// kimi-k2.5: experts 60 * 384 * 3 * 7168 * 2048 in 4.5 bits, the rest 11,722,014,848 in 2 bytes.
TEST(Families, WeightsTakeTheBytesThatTheyAreStoredIn) {
  const auto expert_bytes = [](int64_t elements, int64_t eighths) { return elements / 64 * eighths; };
  EXPECT_EQ(weight_bytes(shipped_model("gpt-oss-20b")), expert_bytes(19110297600 + 6635520, 34) + 2 * 1797824064LL);
  EXPECT_NEAR(static_cast<double>(weight_bytes(shipped_model("gpt-oss-20b"))), 13.7e9, 0.1e9);
  EXPECT_NEAR(static_cast<double>(weight_bytes(shipped_model("deepseek-v3"))),
              669173061120.0 * (1 + 4.0 / 16384) + 2 * 1853358080.0, 16);
  const int64_t experts = 60LL * 384 * 3 * 7168 * 2048;
  EXPECT_EQ(weight_bytes(shipped_model("kimi-k2.5")), expert_bytes(experts, 36) + 2 * (1026408232448 - experts));
}

std::string refusal(const std::string& name, const std::function<void(Json&)>& change) {
  Json json = config(name);
  change(json);
  try {
    model_of(json);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

void expect_refused(const std::string& name, const std::function<void(Json&)>& change, const std::string& said) {
  EXPECT_NE(refusal(name, change).find(said), std::string::npos) << refusal(name, change);
}

// What could change a count is refused or named, never passed over.
TEST(Families, RefuseWhatTheyDoNotKnow) {
  expect_refused(
      "mixtral-8x22b", [](Json& c) { c["num_memory_slots"] = 4; }, "/num_memory_slots: is a key that mixtral");
  expect_refused(
      "llama-4-scout", [](Json& c) { c["text_config"]["expert_rank"] = 4; }, "/text_config/expert_rank");
  expect_refused(
      "mixtral-8x22b", [](Json& c) { c["model_type"] = "mixtrall"; }, "did you mean \"mixtral\"?");
  expect_refused(
      "mixtral-8x22b", [](Json& c) { c["model_type"] = "nemotron_h"; }, "mamba, attention or experts alone");
  expect_refused(
      "mixtral-8x22b", [](Json& c) { c["is_encoder_decoder"] = true; }, "/is_encoder_decoder");
  expect_refused(
      "hunyuan-a13b", [](Json& c) { c["moe_topk"][5] = 4; }, "/moe_topk/5");
  expect_refused(
      "hunyuan-a13b", [](Json& c) { c["use_cla"] = true; }, "/use_cla: shares keys among layers");
  expect_refused(
      "qwen1.5-moe-a2.7b", [](Json& c) { c["use_sliding_window"] = true; }, "/use_sliding_window");
  expect_refused(
      "minimax-m2.5", [](Json& c) { c["qk_norm_type"] = "per_head"; }, "/qk_norm_type");
  expect_refused(
      "qwen3-235b-a22b-fp8", [](Json& c) { c["quantization_config"]["quant_method"] = "bitsandbytes"; },
      "/quantization_config/quant_method");
  expect_refused(
      "dbrx-base", [](Json& c) { c["ffn_config"].erase("ffn_hidden_size"); }, "/ffn_hidden_size: is missing");
  expect_refused(
      "dbrx-base", [](Json& c) { c["ffn_config"]["moe_num_experts"] = "16"; }, "/ffn_config/moe_num_experts");
  Json named = config("mixtral-8x22b");
  named["new_key_of_next_year"] = {1, 2};
  EXPECT_EQ(model_of(named).left_out, std::vector<std::string>{"the unknown key new_key_of_next_year"});
  EXPECT_EQ(shipped_model("kimi-k2.5").left_out, std::vector<std::string>{"what vision_config describes"});
}

TEST(Families, RefuseEncodersAndDecoders) {
  const std::string file = std::string(MOESAIC_SOURCE_DIR) + "/tests/core/schema/configs/switch-base-256.json";
  try {
    read_model(read_json(file), file);
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_EQ(error.pointer(), "/model_type");
    EXPECT_NE(std::string(error.what()).find("an encoder and a decoder"), std::string::npos);
  }
}

// Quantisation is of experts; of attention unless it is spared; of tables never.
TEST(Families, ReadTheTypesOfQuantizedWeights) {
  const auto types = [](const Json& json) {
    const Model m = model_of(json);
    return std::string(name_of(m.weight_dtype)) + " " + name_of(m.expert_dtype) + " " +
           (m.table_dtype ? name_of(*m.table_dtype) : "-");
  };
  EXPECT_EQ(types(config("minimax-m2.5")), "fp8 fp8 bf16");
  EXPECT_EQ(types(config("gpt-oss-20b")), "bf16 fp4 -");
  EXPECT_EQ(types(config("kimi-k2.5")), "bf16 int4 -");
  EXPECT_EQ(types(config("deepseek-r1-nvfp4")), "bf16 nvfp4 -");
  EXPECT_EQ(types(config("deepseek-v3.1-nvfp4")), "bf16 nvfp4 -");
  const auto with = [&](const Json& quantization) {
    Json json = config("qwen3-30b-a3b");
    json["quantization_config"] = quantization;
    return types(json);
  };
  EXPECT_EQ(with({{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 128}}), "int4_128 int4_128 bf16");
  EXPECT_EQ(with({{"quant_method", "awq"}, {"bits", 4}, {"group_size", 32}}), "int4 int4 bf16");
  EXPECT_EQ(with({{"quant_method", "modelopt"}, {"quant_algo", "FP8"}}), "fp8 fp8 bf16");
  const Json norm = {{"quant_method", "fp8"},
                     {"modules_to_not_convert", {"model.layers.0.self_attn.q_norm", "lm_head"}}};
  EXPECT_EQ(with(norm), "fp8 fp8 bf16");
  expect_refused(
      "qwen3-30b-a3b",
      [](Json& c) {
        c["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 8}, {"group_size", 128}};
      },
      "/quantization_config/bits");
  expect_refused(
      "qwen3-30b-a3b",
      [](Json& c) {
        c["quantization_config"] = {{"quant_method", "awq"}, {"bits", 4}, {"group_size", 64}};
      },
      "/quantization_config/group_size");
}

// DeepSeek-V2 chooses in 3 of 8 groups, V3 in 4; V2-Lite has no groups, and a greedy router would not look at them.
TEST(Families, LimitTheGroupsOfAToken) {
  const auto groups_of = [](const Model& model) { return std::pair(model.expert_groups, model.groups_per_token); };
  EXPECT_EQ(groups_of(shipped_model("deepseek-v2")), std::pair(int64_t{8}, int64_t{3}));
  EXPECT_EQ(groups_of(shipped_model("deepseek-v3")), std::pair(int64_t{8}, int64_t{4}));
  EXPECT_EQ(groups_of(shipped_model("deepseek-v2-lite")), std::pair(int64_t{1}, int64_t{1}));
  EXPECT_EQ(groups_of(shipped_model("mixtral-8x22b")), std::pair(int64_t{1}, int64_t{1}));
  Json greedy = config("deepseek-v2");
  greedy["topk_method"] = "greedy";
  EXPECT_EQ(groups_of(model_of(greedy)), std::pair(int64_t{1}, int64_t{1}));
  expect_refused(
      "deepseek-v3", [](Json& c) { c["topk_group"] = 9; }, "top_k 8 in 9 of 8 groups of 256 experts");
  expect_refused(
      "deepseek-v3", [](Json& c) { c["n_group"] = 7; }, "4 of 7 groups of 256 experts");
  expect_refused(
      "deepseek-v3", [](Json& c) { c["n_group"] = 128, c["topk_group"] = 3; }, "groups that divide the experts");
}

TEST(Families, NameWhatTheyDoNotCompute) {
  EXPECT_EQ(shipped_model("granite-3.0-3b-a800m").uncomputed,
            (std::vector<std::string>{"a multiplier of embeddings", "a multiplier of residuals",
                                      "a multiplier of attention's scores", "scaled logits"}));
  EXPECT_EQ(shipped_model("mixtral-8x22b").uncomputed, std::vector<std::string>{});
}

// Of 48 layers of llama 4 every fourth sees all keys, without rotary positions; the others chunks of 8192.
TEST(Families, ChunksAreWindows) {
  const Model scout = shipped_model("llama-4-scout");
  EXPECT_EQ(scout.sliding_window, 8192);
  for (int layer = 0; layer < 48; ++layer)
    EXPECT_EQ(scout.keys_in_sight(layer, 65536), layer % 4 == 3 ? 65536 : 8192) << layer;
}

}  // namespace
}  // namespace moesaic
