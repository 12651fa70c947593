// Loops at the limits of the machine: arithmetic in registers alone, and passes over memory that compute next to nothing.
// Benchmarks hold the kernels against them (native/roofline.h); no op uses them.

// Independent chains. A fused multiply-add takes 4 cycles and two registers of them start in each, four on large ARM cores:
// 8 (16) registers hide that latency. Three quarters of all registers are at least 12, and leave room for the factor.
constexpr int kProbeChains = kVecRegisters < 16 ? 3 * kVecRegisters / 4 : 12;

template <typename T> static double ProbeFma(int64_t rounds) {
  // Every lane starts elsewhere and nobody says where: equal or known chains would be computed once, or never.
  T starts[kProbeChains * Vec<T>::kLanes];
  for (int i = 0; i < kProbeChains * Vec<T>::kLanes; i++) starts[i] = static_cast<T>(i) / 64;
  asm volatile("" : "+m"(starts));
  // x / 2 + 1 / 2 goes to 1: no infinities and no subnormal numbers, which are slow.
  const Vec<T> half = Set(static_cast<T>(0.5));
  Vec<T> x[kProbeChains];
#pragma GCC unroll 12
  for (int i = 0; i < kProbeChains; i++) x[i] = Load(static_cast<const T*>(starts) + i * Vec<T>::kLanes);
  for (int64_t n = rounds; n > 0; n--) {
#pragma GCC unroll 12
    for (int i = 0; i < kProbeChains; i++) x[i] = Fma(x[i], half, half);
  }
  Vec<T> sum = x[0];
#pragma GCC unroll 12
  for (int i = 1; i < kProbeChains; i++) sum = Add(sum, x[i]);
  asm volatile("" : : "m"(sum));  // somebody wants to know
  return 2.0 * kProbeChains * Vec<T>::kLanes * static_cast<double>(rounds);
}
static double ProbeFmaOf(DType dtype, int64_t rounds) {
  return dtype == DType::kF64 ? ProbeFma<double>(rounds) : ProbeFma<float>(rounds);
}

// One pass over n numbers, n a multiple of kProbeStep: four vectors at a time.
constexpr int64_t kProbeLanes = Vec<float>::kLanes;
static_assert(kProbeStep == 16 * kProbeLanes, "a quarter of it is four vectors");
// Arrays that lie a multiple of 4 KB apart hinder each other: a load seems to wait for the store before it. So each
// starts five cache lines later.
constexpr int64_t kProbeSkew = 5 * kProbeLanes;
static_assert(3 * kProbeSkew <= kProbeSpare, "three arrays are shifted");

constexpr int kProbeSums = kVecRegisters < 16 ? kVecRegisters / 2 : 8;  // in registers, beside what is loaded

static void ProbeRead(const float* p, int64_t n) {
  VecF sum[kProbeSums];
#pragma GCC unroll 8
  for (int j = 0; j < kProbeSums; j++) sum[j] = Zero<float>();
  for (int64_t i = 0; i < n; i += kProbeSums * kProbeLanes) {
#pragma GCC unroll 8
    for (int j = 0; j < kProbeSums; j++) sum[j] = Add(sum[j], Load(p + i + j * kProbeLanes));
  }
#pragma GCC unroll 8
  for (int j = 1; j < kProbeSums; j++) sum[0] = Add(sum[0], sum[j]);
  asm volatile("" : : "m"(sum[0]));
}

// The second half over the first.
static void ProbeCopy(float* p, int64_t n) {
  const float* from = p + n / 2 + kProbeSkew;
  for (int64_t i = 0; i < n / 2; i += 4 * kProbeLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) Store(p + i + j * kProbeLanes, Load(from + i + j * kProbeLanes));
    // Otherwise compilers make it a call of memcpy, which may write past the caches: no kernel does.
    asm volatile("" : : : "memory");
  }
}

// The traffic of Adam: four quarters read (theta, m, v and the gradient), three of them written back.
static void ProbeUpdate(float* p, int64_t n) {
  float *theta = p, *m = p + n / 4 + kProbeSkew, *v = p + n / 2 + 2 * kProbeSkew;
  const float* g = p + 3 * (n / 4) + 3 * kProbeSkew;
  for (int64_t i = 0; i < n / 4; i += kProbeLanes) {
    const VecF change = Load(g + i), a = Load(theta + i), b = Load(m + i), c = Load(v + i);
    Store(theta + i, Add(a, change));
    Store(m + i, Add(b, change));
    Store(v + i, Add(c, change));
  }
}

static constexpr Probes kProbes = {ProbeFmaOf, ProbeRead, ProbeCopy, ProbeUpdate};
