#include "core/format/kernel_package.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/format/csv.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

class KernelPackage : public ::testing::Test {
 protected:
  void SetUp() override {
    // Tests run as processes side by side.
    folder_ = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& path, const std::string& text) {
    const fs::path file = folder_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return file;
  }
  ImportedTables read() const {
    Device device;
    device.name = "GPU", device.memory_bandwidth_bytes_per_s = 1e12;
    device.peak_bf16_flops_per_s = device.peak_f32_flops_per_s = 1e14;
    return read_kernel_package(folder_, device);
  }

  fs::path folder_;
};

TEST_F(KernelPackage, ReadsCommaSeparatedTables) {
  const CsvTable csv(write("table.csv", "\"m\",\"latency\",\"name\"\n1,0.5,a b\n2,x,\n"));
  EXPECT_EQ(csv.size(), 2U);
  EXPECT_EQ(csv.integer(0, "m"), 1);
  EXPECT_EQ(csv.number(0, "latency"), 0.5);
  EXPECT_EQ(csv.text(0, "name"), "a b");
  EXPECT_THROW(csv.number(1, "latency"), InputError);
  EXPECT_THROW(csv.integer(0, "latency"), InputError);
  EXPECT_THROW(csv.text(0, "n"), InputError);
  EXPECT_THROW(CsvTable(write("short.csv", "a,b\n1\n")), InputError);
  EXPECT_THROW(CsvTable(folder_ / "none.csv"), InputError);
}

// Rows of no multiple of 4 from 4 on are left out, other dtypes counted, and of the versions the one with more lines
// is read. 0.0123456 ms are 12.35 us in four digits.
TEST_F(KernelPackage, PutsProductsOnAGrid) {
  write("gemm/trtllm/1/gemm_perf.csv", "gemm_dtype,m,n,k,latency\nbfloat16,1,2,3,0.5\n");
  write("gemm/trtllm/2/gemm_perf.csv",
        "gemm_dtype,m,n,k,latency\nbfloat16,1,64,128,0.0123456\nbfloat16,8,64,128,0.02\nbfloat16,9,64,128,0.03\n"
        "fp8_block,1,64,128,0.01\nint8_wo,1,64,128,0.01\n");
  const ImportedTables imported = read();
  ASSERT_EQ(imported.tables.kernels.size(), 2U);
  const KernelTable& bf16 = imported.tables.kernels[0];
  EXPECT_EQ(bf16.source, "gemm/trtllm/2");
  EXPECT_EQ(bf16.axes, (std::vector<TableAxis>{{"rows", {1, 8}}, {"n", {64}}, {"k", {128}}}));
  EXPECT_EQ(bf16.microseconds, (std::vector<double>{12.35, 20}));
  EXPECT_EQ(imported.tables.kernels[1].weights, DType::fp8);
  EXPECT_EQ(std::count(imported.left_out.begin(), imported.left_out.end(), "gemm_perf int8_wo: 1 lines"), 1);
}

// Decode at step s has s + 1 keys. A grid that is not full has zeros.
TEST_F(KernelPackage, ReadsAttentionOfBothPhases) {
  const std::string head =
      "attn_dtype,kv_cache_dtype,batch_size,isl,num_heads,num_key_value_heads,head_dim,window_size,step,latency\n";
  write("attention/trtllm/1/context_attention_perf.csv",
        head +
            "bfloat16,bfloat16,1,16,8,2,64,0,0,0.01\nbfloat16,bfloat16,2,32,8,2,64,0,0,0.02\n"
            "fp8,fp8,1,16,8,2,64,0,0,0.005\n");
  write("attention/trtllm/1/generation_attention_perf.csv", head + "bfloat16,fp8,4,1,8,2,64,0,127,0.03\n");
  const ImportedTables imported = read();
  ASSERT_EQ(imported.tables.kernels.size(), 2U);
  const KernelTable &prefill = imported.tables.kernels[0], &decode = imported.tables.kernels[1];
  EXPECT_EQ(prefill.fixed,
            (std::map<std::string, int64_t>{{"heads", 8}, {"kv_heads", 2}, {"head_dim", 64}, {"causal_square", 1}}));
  EXPECT_EQ(prefill.axes, (std::vector<TableAxis>{{"sequences", {1, 2}}, {"sequence", {16, 32}}}));
  EXPECT_EQ(prefill.microseconds, (std::vector<double>{10, 0, 0, 20}));
  EXPECT_EQ(decode.weights, DType::fp8);
  EXPECT_EQ(decode.axes, (std::vector<TableAxis>{{"rows", {4}}, {"sequence", {128}}}));
}

// 8 experts, top 2, EP2: balanced, 8 tokens give each of the 4 slots 2 rows, 8 together. A curve of skewed routing that
// takes over twice the model's share of the balanced one is left out.
TEST_F(KernelPackage, ReadsExpertsWithTheRowsThatWereDrawn) {
  const std::string head =
      "moe_dtype,kernel_source,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,distribution,"
      "latency\n";
  write("moe/sglang/1/moe_perf.csv", head +
                                         "bfloat16,k,8,64,32,2,8,1,2,balanced,0.03\n"
                                         "bfloat16,k,16,64,32,2,8,1,2,balanced,0.03\n"
                                         "bfloat16,k,8,64,32,2,8,1,2,power_law_1.01,0.03\n"
                                         "bfloat16,k,8,64,32,2,8,1,2,power_law_1.2,0.3\n");
  const ImportedTables imported = read();
  ASSERT_EQ(imported.tables.experts.size(), 1U);
  const ExpertTable& table = imported.tables.experts[0];
  EXPECT_EQ(table.slots, 4);
  EXPECT_EQ(table.intermediate, 32);
  ASSERT_EQ(table.curves.size(), 2U);
  EXPECT_EQ(table.curves[0].routing, "balanced");
  EXPECT_EQ(table.curves[0].rows, (std::vector<double>{8, 16}));
  EXPECT_EQ(table.curves[0].skew, (std::vector<double>{1, 1}));
  EXPECT_EQ(table.curves[0].microseconds, (std::vector<double>{30, 30}));
  EXPECT_EQ(table.curves[1].routing, "power_law_1.01");
}

// 1024 elements of 2 bytes on 4 ranks: an all-to-all sends 3/4 of 2048 bytes, an all-reduce twice that. The engine's
// own all-reduce is faster.
TEST_F(KernelPackage, ReadsCollectivesByTheBytesThatTheBusiestSends) {
  write("gemm/trtllm/1/gemm_perf.csv", "gemm_dtype,m,n,k,latency\nbfloat16,1,2,3,0.5\n");
  write("comm/nccl/2.29/nccl_perf.csv",
        "nccl_dtype,num_gpus,message_size,op_name,latency\nhalf,4,1024,alltoall,0.02\nhalf,4,1024,all_reduce,0.03\n"
        "int8,4,1024,all_reduce,0.001\n");
  write("comm/trtllm/1/custom_allreduce_perf.csv",
        "allreduce_dtype,num_gpus,message_size,latency\nbfloat16,4,1024,0.01\n");
  const ImportedTables imported = read();
  ASSERT_EQ(imported.collectives.size(), 2U);
  EXPECT_EQ(imported.collectives[0].collective, "all_reduce");
  EXPECT_EQ(imported.collectives[0].bytes, std::vector<Bytes>{3072});
  EXPECT_EQ(imported.collectives[0].seconds, std::vector<Seconds>{1e-5});
  EXPECT_EQ(imported.collectives[1].bytes, std::vector<Bytes>{1536});
}

TEST_F(KernelPackage, KnowsHowWeightsAreStored) {
  EXPECT_EQ(weights_of("bfloat16"), DType::bf16);
  EXPECT_EQ(weights_of("fp8_block"), DType::fp8);
  EXPECT_EQ(weights_of("w4a16_mxfp4"), DType::fp4);
  EXPECT_EQ(weights_of("w4a8_mxfp4_mxfp8"), DType::fp4);
  EXPECT_EQ(weights_of("nvfp4"), DType::nvfp4);
  EXPECT_EQ(weights_of("int8_wo"), std::nullopt);
}

TEST_F(KernelPackage, RefusesAFolderWithoutTables) { EXPECT_THROW(read(), InputError); }

}  // namespace
}  // namespace moesaic
