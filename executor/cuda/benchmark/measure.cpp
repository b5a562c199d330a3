#include "executor/cuda/benchmark/measure.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <random>

#include "executor/cuda/cuda_backend.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int64_t kStretch = int64_t{1} << 20;  // drawn in 6 ms; 160 arrays of a program are filled
constexpr int kWarmUps = 3;
constexpr int kSkipped = 77;  // what ctest and scripts take for "not here"

class DeviceEvent {
 public:
  DeviceEvent() { CUDA_CHECK(cudaEventCreate(&event_)); }
  ~DeviceEvent() { cudaEventDestroy(event_); }
  DeviceEvent(const DeviceEvent&) = delete;
  DeviceEvent& operator=(const DeviceEvent&) = delete;
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

void convert(float x, float& y) { y = x; }
void convert(float x, BFloat16& y) { y = to_bf16(x); }

Json describe_device() {
  cudaDeviceProp device = {};
  CUDA_CHECK(cudaGetDeviceProperties(&device, 0));
  int driver = 0;
  CUDA_CHECK(cudaDriverGetVersion(&driver));
  return {{"name", device.name},
          {"memory_bytes", device.totalGlobalMem},
          {"multiprocessors", device.multiProcessorCount},
          {"l2_bytes", device.l2CacheSize},
          {"cuda_driver", driver}};
}

}  // namespace

template <typename Element>
void fill_random(const Buffer<Element>& buffer, float width) {
  const int64_t stretch = std::min(kStretch, buffer.count());
  std::mt19937 engine(static_cast<uint32_t>(buffer.count()));
  std::uniform_real_distribution<float> draw(-width, width);
  std::vector<Element> values(static_cast<size_t>(stretch));
  for (Element& value : values) convert(draw(engine), value);
  const size_t size = sizeof(Element);
  CUDA_CHECK(cudaMemcpy(buffer.data(), values.data(), values.size() * size, cudaMemcpyHostToDevice));
  for (int64_t done = stretch; done < buffer.count();) {
    const int64_t next = std::min(done, buffer.count() - done);
    CUDA_CHECK(
        cudaMemcpy(buffer.data() + done, buffer.data(), static_cast<size_t>(next) * size, cudaMemcpyDeviceToDevice));
    done += next;
  }
}
template void fill_random(const Buffer<float>&, float);
template void fill_random(const Buffer<BFloat16>&, float);

std::vector<int32_t> random_ints(int64_t count, int32_t end) {
  std::mt19937 engine(1);
  std::uniform_int_distribution<int32_t> draw(0, end - 1);
  std::vector<int32_t> values(static_cast<size_t>(count));
  for (int32_t& value : values) value = draw(engine);
  return values;
}

Seconds seconds_of(Stream stream, const std::function<void()>& work) {
  static const DeviceEvent begin, end;
  CUDA_CHECK(cudaEventRecord(begin, stream));
  work();
  CUDA_CHECK(cudaEventRecord(end, stream));
  CUDA_CHECK(cudaEventSynchronize(end));
  float milliseconds = 0;
  CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
  return static_cast<double>(milliseconds) * 1e-3;
}

bool is_busy(Stream stream) {
  const cudaError_t state = cudaStreamQuery(stream);
  if (state == cudaErrorNotReady)
    (void)cudaGetLastError();  // an answer, which the next launch must not take for its own
  else
    CUDA_CHECK(state);
  return state == cudaErrorNotReady;
}

std::vector<Seconds> medians_in_turns(const std::vector<Contender>& contenders, int rounds) {
  CUDA_CHECK(cudaDeviceSynchronize());  // operands are filled on the default stream, for which no other one waits
  std::vector<std::vector<Seconds>> times(contenders.size());
  for (int round = -kWarmUps; round < rounds; ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Seconds seconds = seconds_of(contenders[i].stream, contenders[i].work);
      if (round >= 0) times[i].push_back(seconds);
    }
  }
  std::vector<Seconds> medians;
  for (std::vector<Seconds>& of_one : times) {
    std::sort(of_one.begin(), of_one.end());
    medians.push_back(of_one[of_one.size() / 2]);
  }
  return medians;
}

std::vector<Seconds> medians_in_turns(Stream stream, const std::vector<std::function<void()>>& works, int rounds) {
  std::vector<Contender> contenders;
  for (const std::function<void()>& work : works) contenders.push_back({stream, work});
  return medians_in_turns(contenders, rounds);
}

int print_measurements(const std::string& name, const std::function<void(const AddRow&)>& measure) {
  if (device_count() == 0) {
    std::fprintf(stderr, "%s: no CUDA device on this machine, nothing is measured\n", name.c_str());
    return kSkipped;
  }
  try {
    Json document = {{"benchmark", name}, {"device", describe_device()}, {"rows", Json::array()}};
    measure([&](const Json& row) {
      document["rows"].push_back(row);
      std::printf("%s\n", document.dump().c_str());
      std::fflush(stdout);
    });
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
    return 1;
  }
}

}  // namespace moesaic::executor::cuda
