// Sums and extremes over contiguous numbers: blocks summed in lanes, blocks combined pairwise in double precision.
// The order depends on the length alone. Knows no op.

// Four chains take 2048 / (4 x 16) = 32 numbers per lane in f32: rounding stays near the last place.
constexpr int64_t kSumBlock = 2048;

template <typename T> MB_INLINE T FirstLane(Vec<T> v) {
  alignas(64) T lanes[Vec<T>::kLanes];
  Store(static_cast<T*>(lanes), v);
  return lanes[0];
}
MB_INLINE double RootOf(double x) { return FirstLane(Sqrt(Set<double>(x))); }

// Numbers that arrive one after another, added as a balanced tree: partial sums of 2^level numbers wait on a stack.
struct PairwiseSum {
  double stack[56];
  uint64_t count = 0;
  MB_OP void Push(double x) {
    int level = 0;
    for (uint64_t bits = count++; bits & 1; bits >>= 1) x = stack[level++] + x;
    stack[level] = x;
  }
  MB_OP double Total() const {
    double total = 0;
    bool first = true;
    int level = 0;
    for (uint64_t bits = count; bits != 0; bits >>= 1, level++) {
      if ((bits & 1) == 0) continue;
      total = first ? stack[level] : stack[level] + total;
      first = false;
    }
    return total;
  }
};

// Sums of f(i, full, lanes) over the vectors of n elements; f returns kValues vectors whose lanes beyond `lanes` are 0.
template <typename T, int kValues> struct Terms {
  Vec<T> v[kValues];
};
// Several chains of additions run side by side; one does where f takes longer than an addition.
template <typename T, int kValues, int kChains, typename F> MB_INLINE void SumVectors(int64_t n, const F& f, double* totals) {
  constexpr int kLanes = Vec<T>::kLanes;
  PairwiseSum sums[kValues];
  for (int64_t block = 0; block < n; block += kSumBlock) {
    const int64_t end = n - block < kSumBlock ? n : block + kSumBlock;
    Vec<T> sum[kChains][kValues];
#pragma GCC unroll 4
    for (int c = 0; c < kChains; c++) {
#pragma GCC unroll 2
      for (int v = 0; v < kValues; v++) sum[c][v] = Zero<T>();
    }
    int64_t i = block;
    for (; i + kChains * kLanes <= end; i += kChains * kLanes) {
#pragma GCC unroll 4
      for (int c = 0; c < kChains; c++) {
        const Terms<T, kValues> terms = f(i + c * kLanes, Full<true>(), kLanes);
#pragma GCC unroll 2
        for (int v = 0; v < kValues; v++) sum[c][v] = Add(sum[c][v], terms.v[v]);
      }
    }
    for (; kChains > 1 && i + kLanes <= end; i += kLanes) {
      const Terms<T, kValues> terms = f(i, Full<true>(), kLanes);
#pragma GCC unroll 2
      for (int v = 0; v < kValues; v++) sum[0][v] = Add(sum[0][v], terms.v[v]);
    }
    if (i < end) {
      const Terms<T, kValues> terms = f(i, Full<false>(), static_cast<int>(end - i));
#pragma GCC unroll 2
      for (int v = 0; v < kValues; v++) sum[kChains - 1][v] = Add(sum[kChains - 1][v], terms.v[v]);
    }
#pragma GCC unroll 2
    for (int v = 0; v < kValues; v++) {
      Vec<T> all;
      if constexpr (kChains == 4) all = Add(Add(sum[0][v], sum[1][v]), Add(sum[2][v], sum[3][v]));
      else if constexpr (kChains == 2) all = Add(sum[0][v], sum[1][v]);
      else all = sum[0][v];
      sums[v].Push(static_cast<double>(SumLanes(all)));
    }
  }
  for (int v = 0; v < kValues; v++) totals[v] = sums[v].Total();
}

// The largest of n >= 1 numbers; NaN if one is.
template <typename T> MB_SHARED T LargestOf(const T* x, int64_t n) {
  constexpr int kLanes = Vec<T>::kLanes;
  const Vec<T> lowest = Set<T>(-MathConstants<T>::kInfinity);
  Vec<T> a = lowest, b = lowest;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    a = Max(Load(x + i), a);
    b = Max(Load(x + i + kLanes), b);
  }
  for (; i < n; i += kLanes) {
    const int lanes = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
    a = Max(Select(FirstLanes<T>(lanes), LoadPartial(x + i, lanes), lowest), a);
  }
  return MaxLanes(Max(a, b));
}
template <typename T> MB_SHARED T SmallestOf(const T* x, int64_t n) {
  constexpr int kLanes = Vec<T>::kLanes;
  const Vec<T> highest = Set<T>(MathConstants<T>::kInfinity);
  Vec<T> a = highest, b = highest;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    a = Min(Load(x + i), a);
    b = Min(Load(x + i + kLanes), b);
  }
  for (; i < n; i += kLanes) {
    const int lanes = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
    a = Min(Select(FirstLanes<T>(lanes), LoadPartial(x + i, lanes), highest), a);
  }
  return MinLanes(Min(a, b));
}

// The first place of the largest of n >= 1 numbers; NaN counts as the largest.
template <typename T> MB_SHARED int64_t ArgMaxOf(const T* x, int64_t n) {
  constexpr int kLanes = Vec<T>::kLanes;
  const T largest = LargestOf(x, n);
  const Vec<T> wanted = Set<T>(largest);
  const bool nan = largest != largest;
  for (int64_t i = 0; i < n; i += kLanes) {
    const int lanes = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
    const Vec<T> v = LoadPartial(x + i, lanes);
    const uint32_t hits = MaskBits(And(nan ? IsNan(v) : Equal(v, wanted), FirstLanes<T>(lanes)));
    if (hits != 0) return i + __builtin_ctz(hits);
  }
  return 0;
}
