// The measuring of limits with probes of its own: every thread gets its memory, probes get sizes they can run, and what
// comes out is what the probes did. Worth most under the asan and tsan presets.
#include "roofline.h"

#include <math.h>

#include <atomic>

#include "check.h"

namespace minibatch {
namespace {

std::atomic<int64_t> largest{0};
std::atomic<bool> odd{false};

double Fma(DType dtype, int64_t rounds) {
  volatile double x = 1;
  for (int64_t i = 0; i < rounds; i++) x = x * 0.5 + 0.5;
  // f64 is to come out as a tenth of f32.
  return (dtype == DType::kF32 ? 20.0 : 2.0) * static_cast<double>(rounds);
}

void Read(const float* p, int64_t n) {
  odd = odd || n % kProbeStep != 0;
  int64_t before = largest.load();
  while (n > before && !largest.compare_exchange_weak(before, n)) {
  }
  volatile float sum = p[0];
  sum = sum + p[n + kProbeSpare - 1];
}

// Writes its whole memory: two threads in one would be a race.
void Write(float* p, int64_t n) {
  for (int64_t i = 0; i < n + kProbeSpare; i += 16) p[i] += 1;
}

constexpr Probes kTestProbes = {Fma, Read, Write, Write};

void Measures(int32_t threads) {
  Limits limits;
  CHECK(MeasureLimits(kTestProbes, threads, true, &limits));
  CHECK(limits.f32 > 0 && isfinite(limits.f32));
  CHECK(limits.f64 > 0 && limits.f64 < limits.f32 / 2);
  int64_t before = 0;
  for (const Bandwidth& found : limits.memory) {
    CHECK(found.bytes > before);
    before = found.bytes;
    for (double rate : {found.read, found.copy, found.update}) CHECK(rate > 0 && isfinite(rate));
  }
  CHECK(largest.load() == before / static_cast<int64_t>(sizeof(float)));
  CHECK(!odd);
}

}  // namespace
}  // namespace minibatch

int main() {
  using namespace minibatch;
  for (int32_t threads : {1, 2, 3}) Measures(threads);
  Limits limits;
  CHECK(MeasureLimits(kTestProbes, 2, false, &limits));
  CHECK(limits.memory[0].bytes == 0);
  return Summary("roofline_test");
}
