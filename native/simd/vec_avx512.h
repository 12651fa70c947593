// The vector type on AVX-512 (F, BW, DQ, VL): 64 bytes are one register.
// Included inside a namespace inside a target region (native/target/avx512.cc); includes nothing itself.
// The same functions with the same results as vec_avx2.h: reductions over lanes go through one halving tree.

#define MB_INLINE static inline __attribute__((always_inline))

constexpr bool kHasFma = true;
constexpr int kVecRegisters = 32;  // how many Vec live in registers at once

template <typename T> struct Vec;
template <typename T> struct Mask;

template <> struct Vec<float> {
  static constexpr int kLanes = 16;
  __m512 r;
};
template <> struct Vec<double> {
  static constexpr int kLanes = 8;
  __m512d r;
};
template <> struct Mask<float> {
  __mmask16 m;
};
template <> struct Mask<double> {
  __mmask8 m;
};
using VecF = Vec<float>;
using VecD = Vec<double>;
using MaskF = Mask<float>;
using MaskD = Mask<double>;

MB_INLINE __mmask16 First16(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
MB_INLINE __mmask8 First8(int n) { return static_cast<__mmask8>((1u << n) - 1u); }

// ---- memory; "partial" touches the first n lanes only and loads zeros into the others ----
MB_INLINE VecF Load(const float* p) { return {_mm512_loadu_ps(p)}; }
MB_INLINE VecD Load(const double* p) { return {_mm512_loadu_pd(p)}; }
MB_INLINE void Store(float* p, VecF v) { _mm512_storeu_ps(p, v.r); }
MB_INLINE void Store(double* p, VecD v) { _mm512_storeu_pd(p, v.r); }
MB_INLINE VecF LoadPartial(const float* p, int n) { return {_mm512_maskz_loadu_ps(First16(n), p)}; }
MB_INLINE VecD LoadPartial(const double* p, int n) { return {_mm512_maskz_loadu_pd(First8(n), p)}; }
MB_INLINE void StorePartial(float* p, VecF v, int n) { _mm512_mask_storeu_ps(p, First16(n), v.r); }
MB_INLINE void StorePartial(double* p, VecD v, int n) { _mm512_mask_storeu_pd(p, First8(n), v.r); }
MB_INLINE void Prefetch(const void* p) { __builtin_prefetch(p); }

template <typename T> MB_INLINE Vec<T> Set(T x) {
  if constexpr (sizeof(T) == 4) return {_mm512_set1_ps(x)};
  else return {_mm512_set1_pd(x)};
}
template <typename T> MB_INLINE Vec<T> Zero() {
  if constexpr (sizeof(T) == 4) return {_mm512_setzero_ps()};
  else return {_mm512_setzero_pd()};
}

// ---- arithmetic ----
MB_INLINE VecF Add(VecF a, VecF b) { return {_mm512_add_ps(a.r, b.r)}; }
MB_INLINE VecD Add(VecD a, VecD b) { return {_mm512_add_pd(a.r, b.r)}; }
MB_INLINE VecF Sub(VecF a, VecF b) { return {_mm512_sub_ps(a.r, b.r)}; }
MB_INLINE VecD Sub(VecD a, VecD b) { return {_mm512_sub_pd(a.r, b.r)}; }
MB_INLINE VecF Mul(VecF a, VecF b) { return {_mm512_mul_ps(a.r, b.r)}; }
MB_INLINE VecD Mul(VecD a, VecD b) { return {_mm512_mul_pd(a.r, b.r)}; }
MB_INLINE VecF Div(VecF a, VecF b) { return {_mm512_div_ps(a.r, b.r)}; }
MB_INLINE VecD Div(VecD a, VecD b) { return {_mm512_div_pd(a.r, b.r)}; }
MB_INLINE VecF Sqrt(VecF a) { return {_mm512_sqrt_ps(a.r)}; }
MB_INLINE VecD Sqrt(VecD a) { return {_mm512_sqrt_pd(a.r)}; }
MB_INLINE VecF Abs(VecF a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.r)}; }
MB_INLINE VecD Abs(VecD a) { return {_mm512_andnot_pd(_mm512_set1_pd(-0.0), a.r)}; }
MB_INLINE VecF Neg(VecF a) { return {_mm512_xor_ps(_mm512_set1_ps(-0.0f), a.r)}; }
MB_INLINE VecD Neg(VecD a) { return {_mm512_xor_pd(_mm512_set1_pd(-0.0), a.r)}; }
// a * b + c and c - a * b, rounded once where kHasFma.
MB_INLINE VecF Fma(VecF a, VecF b, VecF c) { return {_mm512_fmadd_ps(a.r, b.r, c.r)}; }
MB_INLINE VecD Fma(VecD a, VecD b, VecD c) { return {_mm512_fmadd_pd(a.r, b.r, c.r)}; }
MB_INLINE VecF Fnma(VecF a, VecF b, VecF c) { return {_mm512_fnmadd_ps(a.r, b.r, c.r)}; }
MB_INLINE VecD Fnma(VecD a, VecD b, VecD c) { return {_mm512_fnmadd_pd(a.r, b.r, c.r)}; }
// |magnitude| with the sign of sign.
MB_INLINE VecF CopySign(VecF magnitude, VecF sign) {
  const __m512 bit = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(bit, magnitude.r), _mm512_and_ps(bit, sign.r))};
}
MB_INLINE VecD CopySign(VecD magnitude, VecD sign) {
  const __m512d bit = _mm512_set1_pd(-0.0);
  return {_mm512_or_pd(_mm512_andnot_pd(bit, magnitude.r), _mm512_and_pd(bit, sign.r))};
}

// ---- comparisons: false where a lane is NaN, but NotEqual ----
MB_INLINE MaskF Less(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_LT_OQ)}; }
MB_INLINE MaskD Less(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_LT_OQ)}; }
MB_INLINE MaskF LessEqual(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_LE_OQ)}; }
MB_INLINE MaskD LessEqual(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_LE_OQ)}; }
MB_INLINE MaskF Greater(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_GT_OQ)}; }
MB_INLINE MaskD Greater(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_GT_OQ)}; }
MB_INLINE MaskF Equal(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_EQ_OQ)}; }
MB_INLINE MaskD Equal(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_EQ_OQ)}; }
MB_INLINE MaskF NotEqual(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_NEQ_UQ)}; }
MB_INLINE MaskD NotEqual(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_NEQ_UQ)}; }
MB_INLINE MaskF IsNan(VecF a) { return {_mm512_cmp_ps_mask(a.r, a.r, _CMP_UNORD_Q)}; }
MB_INLINE MaskD IsNan(VecD a) { return {_mm512_cmp_pd_mask(a.r, a.r, _CMP_UNORD_Q)}; }
MB_INLINE MaskF And(MaskF a, MaskF b) { return {static_cast<__mmask16>(a.m & b.m)}; }
MB_INLINE MaskD And(MaskD a, MaskD b) { return {static_cast<__mmask8>(a.m & b.m)}; }
MB_INLINE MaskF Or(MaskF a, MaskF b) { return {static_cast<__mmask16>(a.m | b.m)}; }
MB_INLINE MaskD Or(MaskD a, MaskD b) { return {static_cast<__mmask8>(a.m | b.m)}; }
MB_INLINE MaskF Not(MaskF a) { return {static_cast<__mmask16>(~a.m)}; }
MB_INLINE MaskD Not(MaskD a) { return {static_cast<__mmask8>(~a.m)}; }
MB_INLINE VecF Select(MaskF m, VecF yes, VecF no) { return {_mm512_mask_blend_ps(m.m, no.r, yes.r)}; }
MB_INLINE VecD Select(MaskD m, VecD yes, VecD no) { return {_mm512_mask_blend_pd(m.m, no.r, yes.r)}; }
// yes where the mask is set, else +0.
MB_INLINE VecF SelectOrZero(MaskF m, VecF yes) { return {_mm512_maskz_mov_ps(m.m, yes.r)}; }
MB_INLINE VecD SelectOrZero(MaskD m, VecD yes) { return {_mm512_maskz_mov_pd(m.m, yes.r)}; }
MB_INLINE uint32_t MaskBits(MaskF m) { return m.m; }
MB_INLINE uint32_t MaskBits(MaskD m) { return m.m; }
template <typename T> MB_INLINE Mask<T> MaskFromBits(uint32_t bits) {
  if constexpr (sizeof(T) == 4) return {static_cast<__mmask16>(bits)};
  else return {static_cast<__mmask8>(bits)};
}

// ---- minimum and maximum; NaN wins from either side ----
MB_INLINE VecF Min(VecF a, VecF b) { return {_mm512_mask_mov_ps(_mm512_min_ps(a.r, b.r), IsNan(a).m, a.r)}; }
MB_INLINE VecD Min(VecD a, VecD b) { return {_mm512_mask_mov_pd(_mm512_min_pd(a.r, b.r), IsNan(a).m, a.r)}; }
MB_INLINE VecF Max(VecF a, VecF b) { return {_mm512_mask_mov_ps(_mm512_max_ps(a.r, b.r), IsNan(a).m, a.r)}; }
MB_INLINE VecD Max(VecD a, VecD b) { return {_mm512_mask_mov_pd(_mm512_max_pd(a.r, b.r), IsNan(a).m, a.r)}; }
// max(x, 0) in one instruction: the hardware's maximum answers NaN when its second operand is one.
MB_INLINE VecF Relu(VecF x) { return {_mm512_max_ps(_mm512_setzero_ps(), x.r)}; }
MB_INLINE VecD Relu(VecD x) { return {_mm512_max_pd(_mm512_setzero_pd(), x.r)}; }
// min(max(x, low), high); NaN stays.
MB_INLINE VecF Clamp(VecF x, VecF low, VecF high) { return {_mm512_min_ps(high.r, _mm512_max_ps(low.r, x.r))}; }
MB_INLINE VecD Clamp(VecD x, VecD low, VecD high) { return {_mm512_min_pd(high.r, _mm512_max_pd(low.r, x.r))}; }

// ---- rounding, exponents ----
MB_INLINE VecF Floor(VecF a) { return {_mm512_roundscale_ps(a.r, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
MB_INLINE VecD Floor(VecD a) { return {_mm512_roundscale_pd(a.r, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
MB_INLINE VecF Round(VecF a) { return {_mm512_roundscale_ps(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
MB_INLINE VecD Round(VecD a) { return {_mm512_roundscale_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// 2^n for whole n with a normal result.
MB_INLINE VecF Pow2(VecF n) {
  const __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n.r), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(e, 23))};
}
MB_INLINE VecD Pow2(VecD n) {
  // Adding 1.5 * 2^52 + 1023 leaves n + 1023 in the low bits.
  const __m512d e = _mm512_add_pd(n.r, _mm512_set1_pd(6755399441056767.0));
  return {_mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(e), 52))};
}
// A positive normal a = m * 2^exponent with m from sqrt(1/2) to sqrt(2).
MB_INLINE VecF Frexp(VecF a, VecF* exponent) {
  const __m512i half = _mm512_set1_epi32(0x3f3504f3);  // sqrt(1/2)
  const __m512i shifted = _mm512_add_epi32(_mm512_castps_si512(a.r), _mm512_set1_epi32(0x3f800000 - 0x3f3504f3));
  *exponent = {_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_srli_epi32(shifted, 23), _mm512_set1_epi32(127)))};
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_and_si512(shifted, _mm512_set1_epi32(0x7fffff)), half))};
}
MB_INLINE VecD Frexp(VecD a, VecD* exponent) {
  const __m512i half = _mm512_set1_epi64(0x3fe6a09e667f3bcd);  // sqrt(1/2)
  const __m512i shifted = _mm512_add_epi64(_mm512_castpd_si512(a.r), _mm512_set1_epi64(0x3ff0000000000000 - 0x3fe6a09e667f3bcd));
  // The biased exponent in the low bits of 2^52, less 2^52 and the bias.
  const __m512i biased = _mm512_or_si512(_mm512_srli_epi64(shifted, 52), _mm512_set1_epi64(0x4330000000000000));
  *exponent = {_mm512_sub_pd(_mm512_castsi512_pd(biased), _mm512_set1_pd(4503599627370496.0 + 1023.0))};
  return {_mm512_castsi512_pd(_mm512_add_epi64(_mm512_and_si512(shifted, _mm512_set1_epi64(0xfffffffffffff)), half))};
}
// a with the low half of its significand cleared, so that products of two such numbers are exact.
MB_INLINE VecF High(VecF a) {
  return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a.r), _mm512_set1_epi32(-4096)))};
}
MB_INLINE VecD High(VecD a) {
  return {_mm512_castsi512_pd(_mm512_and_si512(_mm512_castpd_si512(a.r), _mm512_set1_epi64(-134217728)))};
}

// ---- conversions ----
MB_INLINE void Widen(VecF v, VecD* low, VecD* high) {
  *low = {_mm512_cvtps_pd(_mm512_castps512_ps256(v.r))};
  *high = {_mm512_cvtps_pd(_mm512_extractf32x8_ps(v.r, 1))};
}
MB_INLINE VecF Narrow(VecD low, VecD high) {
  return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low.r)), _mm512_cvtpd_ps(high.r), 1)};
}
template <typename T> MB_INLINE Vec<T> LoadI32(const int32_t* p) {
  if constexpr (sizeof(T) == 4) return {_mm512_cvtepi32_ps(_mm512_loadu_si512(p))};
  else return {_mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
template <typename T> MB_INLINE Vec<T> LoadI32Partial(const int32_t* p, int n) {
  if constexpr (sizeof(T) == 4) return {_mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(First16(n), p))};
  else return {_mm512_cvtepi32_pd(_mm256_maskz_loadu_epi32(First8(n), p))};
}
template <typename T> MB_INLINE Vec<T> LoadU8(const uint8_t* p) {
  if constexpr (sizeof(T) == 4) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  } else {
    return {_mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
  }
}
template <typename T> MB_INLINE Vec<T> LoadU8Partial(const uint8_t* p, int n) {
  const __m128i bytes = _mm_maskz_loadu_epi8(First16(n), p);
  if constexpr (sizeof(T) == 4) return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))};
  else return {_mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(bytes))};
}

// ---- over the lanes: i with i + half, then half of that, and so on ----
MB_INLINE float SumLanes(VecF v) {
  const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v.r), _mm512_extractf32x8_ps(v.r, 1));
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}
MB_INLINE double SumLanes(VecD v) {
  const __m256d a = _mm256_add_pd(_mm512_castpd512_pd256(v.r), _mm512_extractf64x4_pd(v.r, 1));
  const __m128d b = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
  return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
}
// The largest and the smallest lane, if none is NaN.
MB_INLINE float MaxOfLanes(VecF v) {
  const __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v.r), _mm512_extractf32x8_ps(v.r, 1));
  const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps(c, c, 1)));
}
MB_INLINE double MaxOfLanes(VecD v) {
  const __m256d a = _mm256_max_pd(_mm512_castpd512_pd256(v.r), _mm512_extractf64x4_pd(v.r, 1));
  const __m128d b = _mm_max_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
  return _mm_cvtsd_f64(_mm_max_sd(b, _mm_unpackhi_pd(b, b)));
}
template <typename T> MB_INLINE T MinOfLanes(Vec<T> v) { return -MaxOfLanes(Neg(v)); }

// ---- integers, for the random generator ----
// Eight lanes of 64 bits of which products read the low 32: a Philox round needs no repacking then.
struct U64x8 {
  __m512i r;
};
struct U32x16 {
  __m512i r;
};
MB_INLINE U64x8 SetU64(uint64_t x) { return {_mm512_set1_epi64(static_cast<int64_t>(x))}; }
// base, base + step, ... base + 7 step
MB_INLINE U64x8 IotaU64(uint64_t base, uint64_t step) {
  const auto b = static_cast<int64_t>(base), s = static_cast<int64_t>(step);
  return {_mm512_set_epi64(b + 7 * s, b + 6 * s, b + 5 * s, b + 4 * s, b + 3 * s, b + 2 * s, b + s, b)};
}
MB_INLINE U64x8 Add(U64x8 a, U64x8 b) { return {_mm512_add_epi64(a.r, b.r)}; }
MB_INLINE U64x8 MulLow32(U64x8 a, U64x8 b) { return {_mm512_mul_epu32(a.r, b.r)}; }
MB_INLINE U64x8 HighHalf(U64x8 a) { return {_mm512_srli_epi64(a.r, 32)}; }
MB_INLINE U64x8 Xor3(U64x8 a, U64x8 b, U64x8 c) { return {_mm512_ternarylogic_epi64(a.r, b.r, c.r, 0x96)}; }
// The low words of even and odd, taken in turn.
MB_INLINE U32x16 Interleave(U64x8 even, U64x8 odd) {
  return {_mm512_mask_mov_epi32(even.r, 0xaaaa, _mm512_slli_epi64(odd.r, 32))};
}
// Of each lane of a, whether its low and its high 16 bits are below a threshold under 65536: a bit per lane.
MB_INLINE void HalvesBelow(U32x16 a, uint32_t threshold, uint32_t* low, uint32_t* high) {
  // Whatever stands below the high half does not change how it compares with a limit that has zeros there.
  const __m512i limit = _mm512_set1_epi32(static_cast<int32_t>(threshold << 16));
  *high = _mm512_cmplt_epu32_mask(a.r, limit);
  *low = _mm512_cmplt_epu32_mask(_mm512_slli_epi32(a.r, 16), limit);
}
