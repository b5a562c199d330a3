#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/plan/sample_plan.h"

namespace moesaic {
namespace {

struct Refusal {
  std::string pointer = "accepted";
  std::string message;
};

/// Reads the sample plan after one change, given as a merge of one value at a pointer ("" value: erase).
Refusal damage_refusal(const std::string& pointer, const std::string& value) {
  Json json = write_plan(testing::sample_plan());
  json.erase("hashes");
  const Json::json_pointer at(pointer);
  if (value.empty()) {
    json[at.parent_pointer()].erase(at.back());
  } else {
    json[at] = Json::parse(value);
  }
  try {
    read_plan(json, "plan.json");
  } catch (const InputError& error) {
    return {error.pointer(), error.what()};
  }
  return {};
}

struct Case {
  const char* at;       // where the plan is changed
  const char* value;    // to what; "": the key is removed
  const char* pointer;  // where it is refused
  const char* part;     // of the message
};

// Every line is one kind of mistake at one place: misspelling, omission, type, unit, range.
constexpr Case kCases[] = {
    {"/kind", R"("moesaic.plan/2")", "/kind", "expected \"moesaic.plan/1\""},
    {"/layuot", "1", "/layuot", "did you mean \"layout\"?"},
    {"/layout/ranks", "", "/layout/ranks", "is missing"},
    {"/layout/ranks", "0", "/layout/ranks", "is 0; expected an integer from 1"},
    {"/layout/ranks", "2.5", "/layout/ranks", "is 2.5"},
    {"/layout/ranks", "true", "/layout/ranks", "is true"},
    {"/layout/ranks", "18446744073709551615", "/layout/ranks", "expected an integer"},
    {"/layout", "[]", "/layout", "is a list; expected an object"},
    {"/dispatch/kind", R"("raged")", "/dispatch/kind", "did you mean \"ragged\"?"},
    {"/dispatch/capacity_factor", "-1", "/dispatch/capacity_factor", "a number of at least 0"},
    {"/gradient_bucket_bytes", R"("25 MB/s")", "/gradient_bucket_bytes", "not a quantity in B"},
    {"/placement/0/slot_to_expert/3", R"("2")", "/placement/0/slot_to_expert/3", "expected an integer"},
    {"/prediction/peak_bytes/devise", "1", "/prediction/peak_bytes/devise", "did you mean \"device\"?"},
    {"/seed", "-1", "/seed", "is -1"},
    {"/interrupted", "0", "/interrupted", "expected true or false"},
    {"/decisions/0/runners_up/1/reason", "null", "/decisions/0/runners_up/1/reason", "expected a string"},
    {"/hashes", R"({"model":"0000000000000000"})", "/documents/model", "the plan was changed"},
    {"/documents/profile", "", "/documents/profile", "is missing"},
    {"/documents/cluster/links/intra_node/bandwith_bytes_per_s", "1",
     "/documents/cluster/links/intra_node/bandwith_bytes_per_s", "did you mean \"bandwidth_bytes_per_s\"?"},
    {"/documents/cluster/links/nic/latency_s", R"("3 GB")", "/documents/cluster/links/nic/latency_s",
     "not a quantity in s"},
    {"/documents/cluster/links/nic/bandwidth_bytes_per_s", "0", "/documents/cluster/links/nic/bandwidth_bytes_per_s",
     "above 0"},
    {"/documents/cluster/links/nic/message_s", "-1", "/documents/cluster/links/nic/message_s", "is -1"},
    {"/documents/cluster/links/pcie/message_s", "1e-6", "/documents/cluster/links/pcie/message_s",
     "unknown key \"message_s\""},
    {"/documents/cluster/links/nic", "", "/documents/cluster/links", "no route between nodes"},
    {"/documents/cluster/links/intra_node", "", "/documents/cluster/links", "no route between the devices of a node"},
    {"/documents/cluster/device/memory_bytes", "1e300", "/documents/cluster/device/memory_bytes", "80 GB"},
    {"/documents/cluster/nodes/count", "2097152", "/documents/cluster/nodes/count", "from 1 to 1048576"},
    {"/documents/workload/phase", R"("trainning")", "/documents/workload/phase", "did you mean \"training\"?"},
    {"/documents/workload/compute_dtype", R"("fp8")", "/documents/workload/compute_dtype", "f32"},
    {"/documents/workload/optimizer/beta1", "1", "/documents/workload/optimizer/beta1", "at most 0.9999999"},
    {"/documents/model/top_k", "5", "/documents/model", "top_k 5 of 4 experts"},
    {"/documents/model/moe_layers", "[0,2]", "/documents/model/moe_layers/1", "from 0 to 1"},
    {"/documents/model/moe_layers", "[1,1]", "/documents/model/moe_layers/1", "listed twice"},
    {"/documents/model/moe_layers", "[]", "/documents/model", "no MoE layer"},
    {"/documents/model/weight_dtype", R"("bf61")", "/documents/model/weight_dtype", "did you mean \"bf16\""},
    {"/documents/routing/counts", "[[[[1]]]]", "/documents/routing/counts", "stands beside a generator"},
    {"/documents/profile/operators/0/rows", "[64,64]", "/documents/profile/operators/0/rows/1", "ascending"},
    {"/documents/profile/operators/0/seconds", "[1]", "/documents/profile/operators/0/seconds",
     "expected 2, one per point"},
    {"/documents/profile/operators/0/provenance", R"("guessed")", "/documents/profile/operators/0/provenance",
     "measured"},
    {"/documents/profile/collectives/0/bytes", "[]", "/documents/profile/collectives/0/bytes", "empty list"},
    {"/documents/profile/assumed_flops_efficiency", "1.5", "/documents/profile/assumed_flops_efficiency", "at most 1"},
};

TEST(PlanDocumentError, NamesFilePlaceAndRemedy) {
  for (const Case& wrong : kCases) {
    SCOPED_TRACE(std::string(wrong.at) + " = " + wrong.value);
    const Refusal found = damage_refusal(wrong.at, wrong.value);
    EXPECT_EQ(found.pointer, wrong.pointer);
    EXPECT_NE(found.message.find(wrong.part), std::string::npos) << found.message;
    EXPECT_EQ(found.message.rfind("plan.json ", 0), 0u) << found.message;
  }
}

/// Keys without which the sample asks for what another object no longer gives, and where it is told so.
const std::map<std::string, std::string> kAskedElsewhere = {
    {"/layout/expert_slices", "/placement/0/slot_to_expert"},
    {"/expert_storage", "/prefetch/experts"},
    {"/documents/cluster/nodes/storage", "/expert_storage/home"}};

TEST(PlanDocumentError, EveryMissingKeyIsEitherDefaultedOrNamed) {
  const Json plan = write_plan(testing::sample_plan());
  size_t keys = 0, defaulted = 0;
  const std::function<void(const Json&, const std::string&)> visit = [&](const Json& json, const std::string& pointer) {
    for (const auto& [key, value] : json.items()) {
      const std::string at = pointer + "/" + key;
      if (value.is_structured()) visit(value, at);
      if (!json.is_object()) continue;
      ++keys;
      const Refusal found = damage_refusal(at, "");
      // At the key, or at the object where its default contradicts another key.
      const std::string object = found.pointer.substr(0, found.pointer.rfind('/'));
      if (const auto elsewhere = kAskedElsewhere.find(at); elsewhere != kAskedElsewhere.end())
        EXPECT_EQ(found.pointer, elsewhere->second);
      else
        EXPECT_TRUE(found.pointer == "accepted" || at.rfind(object + "/", 0) == 0) << at << ": " << found.message;
      defaulted += found.pointer == "accepted" ? 1 : 0;
    }
  };
  Json without_hashes = plan;
  without_hashes.erase("hashes");
  visit(without_hashes, "");
  EXPECT_GT(keys - defaulted, 100u);  // what joined the document later has a default
}

}  // namespace
}  // namespace moesaic
