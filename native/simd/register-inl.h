// One hardware register of a chosen width (16, 32 or 64 bytes) for the register tiles of matrix products, where the
// 64-byte Vec would not fit: 16 AVX2 registers hold a tile of 4 x 3 registers, not of Vec pairs.
// Included inside an instruction set's namespace and target region; intrinsics only where vector extensions have no
// word for it (fused multiply-add, masked memory). Knows nothing of kernels.
#define MB_REGISTER_ID_(isa) MB_REGISTER_ID_##isa
#define MB_REGISTER_ID(isa) MB_REGISTER_ID_(isa)
#define MB_REGISTER_ID_scalar 0
#define MB_REGISTER_ID_neon 1
#define MB_REGISTER_ID_avx2 2
#define MB_REGISTER_ID_avx512 3
#define MB_REGISTER_ISA MB_REGISTER_ID(MB_ISA)
#define MB_REGISTER_INLINE static inline __attribute__((always_inline))

// Loops over the registers of a tile must vanish, or the tile lives in memory.
#if defined(__clang__)
#define MB_REGISTER_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MB_REGISTER_UNROLL _Pragma("GCC unroll 32")
#endif

// Lanes of two registers in a new order, lane i of b being i + lanes. Index: the vector of integers of the same width.
#if defined(__clang__)
#define MB_REGISTER_SHUFFLE(Index, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MB_REGISTER_SHUFFLE(Index, a, b, ...) __builtin_shuffle(a, b, Index{__VA_ARGS__})
#endif
typedef int32_t Index4x32 __attribute__((vector_size(16)));
typedef int64_t Index2x64 __attribute__((vector_size(16)));

#if MB_REGISTER_ISA == 3
constexpr int kRegisterBytes = 64;
#elif MB_REGISTER_ISA == 2
constexpr int kRegisterBytes = 32;
#else
constexpr int kRegisterBytes = 16;
#endif

template <typename T, int kBytes>
struct Register {
  typedef T Value __attribute__((vector_size(kBytes)));
  typedef T Memory __attribute__((vector_size(kBytes), aligned(sizeof(T)), may_alias));
  static constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));

  MB_REGISTER_INLINE Value Load(const T* p) { return *reinterpret_cast<const Memory*>(p); }
  MB_REGISTER_INLINE void Store(T* p, Value v) { *reinterpret_cast<Memory*>(p) = v; }
  // x - 0 and not x + 0: only the former is x for every x, so that it compiles to a broadcast alone.
  MB_REGISTER_INLINE Value Set(T x) { return x - Value{}; }

  // a * b + c, rounded once where the instruction set can (everywhere but scalar).
  MB_REGISTER_INLINE Value Fma(Value a, Value b, Value c) {
#if MB_REGISTER_ISA == 3
    if constexpr (kBytes == 64 && sizeof(T) == 4) return (Value)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
    else if constexpr (kBytes == 64) return (Value)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
    else
#endif
#if MB_REGISTER_ISA >= 2
    if constexpr (sizeof(T) == 4) return (Value)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
    else return (Value)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif MB_REGISTER_ISA == 1
    if constexpr (sizeof(T) == 4) return (Value)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
    else return (Value)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
  }

  // max(x, 0) that lets NaN through: a comparison with NaN is false.
  MB_REGISTER_INLINE Value Relu(Value x) { return Value{} > x ? Value{} : x; }

  // The first n lanes (0 <= n <= kLanes), zeros in the others; memory beyond is not touched.
  MB_REGISTER_INLINE Value LoadPartial(const T* p, int n) {
#if MB_REGISTER_ISA == 3
    const unsigned mask = (1u << n) - 1u;
    if constexpr (kBytes == 64 && sizeof(T) == 4) return (Value)_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
    else if constexpr (kBytes == 64) return (Value)_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), p);
    else if constexpr (sizeof(T) == 4) return (Value)_mm256_maskz_loadu_ps(static_cast<__mmask8>(mask), p);
    else return (Value)_mm256_maskz_loadu_pd(static_cast<__mmask8>(mask), p);
#elif MB_REGISTER_ISA == 2
    if constexpr (sizeof(T) == 4) {
      const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
      return (Value)_mm256_maskload_ps(p, mask);
    } else {
      const __m256i mask = _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
      return (Value)_mm256_maskload_pd(p, mask);
    }
#else
    alignas(kBytes) T lanes[kLanes] = {};
    for (int i = 0; i < n; i++) lanes[i] = p[i];
    return Load(lanes);
#endif
  }
  // Masked stores of AVX2 are slow on Zen, so a loop there.
  MB_REGISTER_INLINE void StorePartial(T* p, Value v, int n) {
#if MB_REGISTER_ISA == 3
    const unsigned mask = (1u << n) - 1u;
    if constexpr (kBytes == 64 && sizeof(T) == 4) return _mm512_mask_storeu_ps(p, static_cast<__mmask16>(mask), (__m512)v);
    else if constexpr (kBytes == 64) return _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask), (__m512d)v);
    else if constexpr (sizeof(T) == 4) return _mm256_mask_storeu_ps(p, static_cast<__mmask8>(mask), (__m256)v);
    else return _mm256_mask_storeu_pd(p, static_cast<__mmask8>(mask), (__m256d)v);
#else
    alignas(kBytes) T lanes[kLanes];
    Store(lanes, v);
    for (int i = 0; i < n; i++) p[i] = lanes[i];
#endif
  }
};

// 32 bytes of lanes on every instruction set: one register, or two of 16 bytes.
#if MB_REGISTER_ISA >= 2
typedef int32_t Index8x32 __attribute__((vector_size(32)));
typedef int64_t Index4x64 __attribute__((vector_size(32)));
template <typename T>
struct Lanes32 : Register<T, 32> {
  // Keeps GCC from loading a value again for each of its uses.
  MB_REGISTER_INLINE void Pin(typename Register<T, 32>::Value& v) { asm("" : "+v"(v)); }
  using Half = typename Register<T, 16>::Value;
  using Value = typename Register<T, 32>::Value;
  MB_REGISTER_INLINE Half Low(Value v) {
    if constexpr (sizeof(T) == 4) return (Half)_mm256_castps256_ps128((__m256)v);
    else return (Half)_mm256_castpd256_pd128((__m256d)v);
  }
  MB_REGISTER_INLINE Half High(Value v) {
    if constexpr (sizeof(T) == 4) return (Half)_mm256_extractf128_ps((__m256)v, 1);
    else return (Half)_mm256_extractf128_pd((__m256d)v, 1);
  }
  MB_REGISTER_INLINE Value Join(const T* low, const T* high) {
    if constexpr (sizeof(T) == 4) return (Value)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
    else return (Value)_mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1);
  }
};
#else
template <typename T>
struct Lanes32 {
  using Part = Register<T, 16>;
  using Half = typename Part::Value;
  struct Value {
    Half low, high;
  };
  static constexpr int kLanes = 2 * Part::kLanes;
  MB_REGISTER_INLINE void Pin(Value&) {}
  MB_REGISTER_INLINE Value Load(const T* p) { return {Part::Load(p), Part::Load(p + Part::kLanes)}; }
  MB_REGISTER_INLINE Value LoadPartial(const T* p, int n) {
    if (n <= Part::kLanes) return {Part::LoadPartial(p, n), Half{}};
    return {Part::Load(p), Part::LoadPartial(p + Part::kLanes, n - Part::kLanes)};
  }
  MB_REGISTER_INLINE Value Fma(Value a, Value b, Value c) {
    return {Part::Fma(a.low, b.low, c.low), Part::Fma(a.high, b.high, c.high)};
  }
  MB_REGISTER_INLINE Half Low(Value v) { return v.low; }
  MB_REGISTER_INLINE Half High(Value v) { return v.high; }
};
#endif
