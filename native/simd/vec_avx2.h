// The vector type on AVX2 + FMA: 64 bytes are two registers, so that results equal those of AVX-512 bit for bit.
// Included inside a namespace inside a target region (native/target/avx2.cc); includes nothing itself.

#define MB_INLINE static inline __attribute__((always_inline))

constexpr bool kHasFma = true;
constexpr int kVecRegisters = 8;  // how many Vec live in registers at once

template <typename T> struct Vec;
template <typename T> struct Mask;

template <> struct Vec<float> {
  static constexpr int kLanes = 16;
  __m256 lo, hi;
};
template <> struct Vec<double> {
  static constexpr int kLanes = 8;
  __m256d lo, hi;
};
// All bits of a lane set or none.
template <> struct Mask<float> {
  __m256 lo, hi;
};
template <> struct Mask<double> {
  __m256d lo, hi;
};
using VecF = Vec<float>;
using VecD = Vec<double>;
using MaskF = Mask<float>;
using MaskD = Mask<double>;

// The first n of 8 (or 4) lanes; n may be negative or too large.
MB_INLINE __m256i First8(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
MB_INLINE __m256i First4(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }

// ---- memory; "partial" touches the first n lanes only and loads zeros into the others ----
MB_INLINE VecF Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
MB_INLINE VecD Load(const double* p) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
MB_INLINE void Store(float* p, VecF v) {
  _mm256_storeu_ps(p, v.lo);
  _mm256_storeu_ps(p + 8, v.hi);
}
MB_INLINE void Store(double* p, VecD v) {
  _mm256_storeu_pd(p, v.lo);
  _mm256_storeu_pd(p + 4, v.hi);
}
MB_INLINE VecF LoadPartial(const float* p, int n) {
  return {_mm256_maskload_ps(p, First8(n)), _mm256_maskload_ps(p + 8, First8(n - 8))};
}
MB_INLINE VecD LoadPartial(const double* p, int n) {
  return {_mm256_maskload_pd(p, First4(n)), _mm256_maskload_pd(p + 4, First4(n - 4))};
}
// Masked stores take some 20 cycles on AMD: halves, quarters and so on instead, with branches that loops predict well.
MB_INLINE void StorePartial(float* p, VecF v, int n) {
  __m256 rest = v.lo;
  if (n >= 8) {
    _mm256_storeu_ps(p, v.lo);
    rest = v.hi;
    p += 8;
  }
  if (n == 16) return _mm256_storeu_ps(p, rest);
  __m128 four = _mm256_castps256_ps128(rest);
  if (n & 4) {
    _mm_storeu_ps(p, four);
    four = _mm256_extractf128_ps(rest, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), four);
    four = _mm_movehl_ps(four, four);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, four);
}
MB_INLINE void StorePartial(double* p, VecD v, int n) {
  __m256d rest = v.lo;
  if (n >= 4) {
    _mm256_storeu_pd(p, v.lo);
    rest = v.hi;
    p += 4;
  }
  if (n == 8) return _mm256_storeu_pd(p, rest);
  __m128d two = _mm256_castpd256_pd128(rest);
  if (n & 2) {
    _mm_storeu_pd(p, two);
    two = _mm256_extractf128_pd(rest, 1);
    p += 2;
  }
  if (n & 1) _mm_store_sd(p, two);
}
MB_INLINE void Prefetch(const void* p) { __builtin_prefetch(p); }

template <typename T> MB_INLINE Vec<T> Set(T x) {
  if constexpr (sizeof(T) == 4) {
    const __m256 r = _mm256_set1_ps(x);
    return {r, r};
  } else {
    const __m256d r = _mm256_set1_pd(x);
    return {r, r};
  }
}
template <typename T> MB_INLINE Vec<T> Zero() { return Set<T>(0); }

// ---- arithmetic ----
MB_INLINE VecF Add(VecF a, VecF b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
MB_INLINE VecD Add(VecD a, VecD b) { return {_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)}; }
MB_INLINE VecF Sub(VecF a, VecF b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
MB_INLINE VecD Sub(VecD a, VecD b) { return {_mm256_sub_pd(a.lo, b.lo), _mm256_sub_pd(a.hi, b.hi)}; }
MB_INLINE VecF Mul(VecF a, VecF b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
MB_INLINE VecD Mul(VecD a, VecD b) { return {_mm256_mul_pd(a.lo, b.lo), _mm256_mul_pd(a.hi, b.hi)}; }
MB_INLINE VecF Div(VecF a, VecF b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
MB_INLINE VecD Div(VecD a, VecD b) { return {_mm256_div_pd(a.lo, b.lo), _mm256_div_pd(a.hi, b.hi)}; }
MB_INLINE VecF Sqrt(VecF a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
MB_INLINE VecD Sqrt(VecD a) { return {_mm256_sqrt_pd(a.lo), _mm256_sqrt_pd(a.hi)}; }
MB_INLINE VecF Abs(VecF a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
MB_INLINE VecD Abs(VecD a) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  return {_mm256_andnot_pd(sign, a.lo), _mm256_andnot_pd(sign, a.hi)};
}
MB_INLINE VecF Neg(VecF a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_xor_ps(sign, a.lo), _mm256_xor_ps(sign, a.hi)};
}
MB_INLINE VecD Neg(VecD a) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  return {_mm256_xor_pd(sign, a.lo), _mm256_xor_pd(sign, a.hi)};
}
// a * b + c and c - a * b, rounded once where kHasFma.
MB_INLINE VecF Fma(VecF a, VecF b, VecF c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
MB_INLINE VecD Fma(VecD a, VecD b, VecD c) {
  return {_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)};
}
MB_INLINE VecF Fnma(VecF a, VecF b, VecF c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
MB_INLINE VecD Fnma(VecD a, VecD b, VecD c) {
  return {_mm256_fnmadd_pd(a.lo, b.lo, c.lo), _mm256_fnmadd_pd(a.hi, b.hi, c.hi)};
}
// |magnitude| with the sign of sign.
MB_INLINE VecF CopySign(VecF magnitude, VecF sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(bit, magnitude.lo), _mm256_and_ps(bit, sign.lo)),
          _mm256_or_ps(_mm256_andnot_ps(bit, magnitude.hi), _mm256_and_ps(bit, sign.hi))};
}
MB_INLINE VecD CopySign(VecD magnitude, VecD sign) {
  const __m256d bit = _mm256_set1_pd(-0.0);
  return {_mm256_or_pd(_mm256_andnot_pd(bit, magnitude.lo), _mm256_and_pd(bit, sign.lo)),
          _mm256_or_pd(_mm256_andnot_pd(bit, magnitude.hi), _mm256_and_pd(bit, sign.hi))};
}

// ---- comparisons: false where a lane is NaN, but NotEqual ----
template <int kPredicate> MB_INLINE MaskF Compare(VecF a, VecF b) {
  return {_mm256_cmp_ps(a.lo, b.lo, kPredicate), _mm256_cmp_ps(a.hi, b.hi, kPredicate)};
}
template <int kPredicate> MB_INLINE MaskD Compare(VecD a, VecD b) {
  return {_mm256_cmp_pd(a.lo, b.lo, kPredicate), _mm256_cmp_pd(a.hi, b.hi, kPredicate)};
}
template <typename T> MB_INLINE Mask<T> Less(Vec<T> a, Vec<T> b) { return Compare<_CMP_LT_OQ>(a, b); }
template <typename T> MB_INLINE Mask<T> LessEqual(Vec<T> a, Vec<T> b) { return Compare<_CMP_LE_OQ>(a, b); }
template <typename T> MB_INLINE Mask<T> Greater(Vec<T> a, Vec<T> b) { return Compare<_CMP_GT_OQ>(a, b); }
template <typename T> MB_INLINE Mask<T> Equal(Vec<T> a, Vec<T> b) { return Compare<_CMP_EQ_OQ>(a, b); }
template <typename T> MB_INLINE Mask<T> NotEqual(Vec<T> a, Vec<T> b) { return Compare<_CMP_NEQ_UQ>(a, b); }
template <typename T> MB_INLINE Mask<T> IsNan(Vec<T> a) { return Compare<_CMP_UNORD_Q>(a, a); }
MB_INLINE MaskF And(MaskF a, MaskF b) { return {_mm256_and_ps(a.lo, b.lo), _mm256_and_ps(a.hi, b.hi)}; }
MB_INLINE MaskD And(MaskD a, MaskD b) { return {_mm256_and_pd(a.lo, b.lo), _mm256_and_pd(a.hi, b.hi)}; }
MB_INLINE MaskF Or(MaskF a, MaskF b) { return {_mm256_or_ps(a.lo, b.lo), _mm256_or_ps(a.hi, b.hi)}; }
MB_INLINE MaskD Or(MaskD a, MaskD b) { return {_mm256_or_pd(a.lo, b.lo), _mm256_or_pd(a.hi, b.hi)}; }
MB_INLINE MaskF Not(MaskF a) {
  const __m256 all = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
  return {_mm256_xor_ps(a.lo, all), _mm256_xor_ps(a.hi, all)};
}
MB_INLINE MaskD Not(MaskD a) {
  const __m256d all = _mm256_castsi256_pd(_mm256_set1_epi32(-1));
  return {_mm256_xor_pd(a.lo, all), _mm256_xor_pd(a.hi, all)};
}
MB_INLINE VecF Select(MaskF m, VecF yes, VecF no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
MB_INLINE VecD Select(MaskD m, VecD yes, VecD no) {
  return {_mm256_blendv_pd(no.lo, yes.lo, m.lo), _mm256_blendv_pd(no.hi, yes.hi, m.hi)};
}
// yes where the mask is set, else +0.
MB_INLINE VecF SelectOrZero(MaskF m, VecF yes) { return {_mm256_and_ps(m.lo, yes.lo), _mm256_and_ps(m.hi, yes.hi)}; }
MB_INLINE VecD SelectOrZero(MaskD m, VecD yes) { return {_mm256_and_pd(m.lo, yes.lo), _mm256_and_pd(m.hi, yes.hi)}; }
MB_INLINE uint32_t MaskBits(MaskF m) {
  return static_cast<uint32_t>(_mm256_movemask_ps(m.lo)) | static_cast<uint32_t>(_mm256_movemask_ps(m.hi)) << 8;
}
MB_INLINE uint32_t MaskBits(MaskD m) {
  return static_cast<uint32_t>(_mm256_movemask_pd(m.lo)) | static_cast<uint32_t>(_mm256_movemask_pd(m.hi)) << 4;
}
template <typename T> MB_INLINE Mask<T> MaskFromBits(uint32_t bits) {
  const __m256i all = _mm256_set1_epi16(static_cast<int16_t>(bits));
  if constexpr (sizeof(T) == 4) {
    const __m256i lo = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i hi = _mm256_slli_epi32(lo, 8);
    return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, lo), lo)),
            _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, hi), hi))};
  } else {
    const __m256i lo = _mm256_setr_epi64x(1, 2, 4, 8);
    const __m256i hi = _mm256_slli_epi64(lo, 4);
    return {_mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(all, lo), lo)),
            _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(all, hi), hi))};
  }
}

// ---- minimum and maximum; NaN wins from either side ----
MB_INLINE VecF Min(VecF a, VecF b) {
  return Select(IsNan(a), a, VecF{_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)});
}
MB_INLINE VecD Min(VecD a, VecD b) {
  return Select(IsNan(a), a, VecD{_mm256_min_pd(a.lo, b.lo), _mm256_min_pd(a.hi, b.hi)});
}
MB_INLINE VecF Max(VecF a, VecF b) {
  return Select(IsNan(a), a, VecF{_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)});
}
MB_INLINE VecD Max(VecD a, VecD b) {
  return Select(IsNan(a), a, VecD{_mm256_max_pd(a.lo, b.lo), _mm256_max_pd(a.hi, b.hi)});
}
// max(x, 0) in one instruction: the hardware's maximum answers NaN when its second operand is one.
MB_INLINE VecF Relu(VecF x) {
  const __m256 zero = _mm256_setzero_ps();
  return {_mm256_max_ps(zero, x.lo), _mm256_max_ps(zero, x.hi)};
}
MB_INLINE VecD Relu(VecD x) {
  const __m256d zero = _mm256_setzero_pd();
  return {_mm256_max_pd(zero, x.lo), _mm256_max_pd(zero, x.hi)};
}
// min(max(x, low), high); NaN stays.
MB_INLINE VecF Clamp(VecF x, VecF low, VecF high) {
  return {_mm256_min_ps(high.lo, _mm256_max_ps(low.lo, x.lo)), _mm256_min_ps(high.hi, _mm256_max_ps(low.hi, x.hi))};
}
MB_INLINE VecD Clamp(VecD x, VecD low, VecD high) {
  return {_mm256_min_pd(high.lo, _mm256_max_pd(low.lo, x.lo)), _mm256_min_pd(high.hi, _mm256_max_pd(low.hi, x.hi))};
}

// ---- rounding, exponents ----
MB_INLINE VecF Floor(VecF a) { return {_mm256_floor_ps(a.lo), _mm256_floor_ps(a.hi)}; }
MB_INLINE VecD Floor(VecD a) { return {_mm256_floor_pd(a.lo), _mm256_floor_pd(a.hi)}; }
MB_INLINE VecF Round(VecF a) {
  return {_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
MB_INLINE VecD Round(VecD a) {
  return {_mm256_round_pd(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_pd(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
MB_INLINE __m256 Pow2Part(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
MB_INLINE __m256d Pow2Part(__m256d n) {
  // Adding 1.5 * 2^52 + 1023 leaves n + 1023 in the low bits.
  return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(_mm256_add_pd(n, _mm256_set1_pd(6755399441056767.0))), 52));
}
// 2^n for whole n with a normal result.
template <typename T> MB_INLINE Vec<T> Pow2(Vec<T> n) { return {Pow2Part(n.lo), Pow2Part(n.hi)}; }
MB_INLINE __m256 FrexpPart(__m256 a, __m256* exponent) {
  const __m256i half = _mm256_set1_epi32(0x3f3504f3);  // sqrt(1/2)
  const __m256i shifted = _mm256_add_epi32(_mm256_castps_si256(a), _mm256_set1_epi32(0x3f800000 - 0x3f3504f3));
  *exponent = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(shifted, 23), _mm256_set1_epi32(127)));
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_and_si256(shifted, _mm256_set1_epi32(0x7fffff)), half));
}
MB_INLINE __m256d FrexpPart(__m256d a, __m256d* exponent) {
  const __m256i half = _mm256_set1_epi64x(0x3fe6a09e667f3bcd);  // sqrt(1/2)
  const __m256i shifted = _mm256_add_epi64(_mm256_castpd_si256(a), _mm256_set1_epi64x(0x3ff0000000000000 - 0x3fe6a09e667f3bcd));
  // The biased exponent in the low bits of 2^52, less 2^52 and the bias.
  const __m256i biased = _mm256_or_si256(_mm256_srli_epi64(shifted, 52), _mm256_set1_epi64x(0x4330000000000000));
  *exponent = _mm256_sub_pd(_mm256_castsi256_pd(biased), _mm256_set1_pd(4503599627370496.0 + 1023.0));
  return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_and_si256(shifted, _mm256_set1_epi64x(0xfffffffffffff)), half));
}
// A positive normal a = m * 2^exponent with m from sqrt(1/2) to sqrt(2).
template <typename T> MB_INLINE Vec<T> Frexp(Vec<T> a, Vec<T>* exponent) {
  return {FrexpPart(a.lo, &exponent->lo), FrexpPart(a.hi, &exponent->hi)};
}
// a with the low half of its significand cleared, so that products of two such numbers are exact.
MB_INLINE VecF High(VecF a) {
  const __m256 keep = _mm256_castsi256_ps(_mm256_set1_epi32(-4096));
  return {_mm256_and_ps(a.lo, keep), _mm256_and_ps(a.hi, keep)};
}
MB_INLINE VecD High(VecD a) {
  const __m256d keep = _mm256_castsi256_pd(_mm256_set1_epi64x(-134217728));
  return {_mm256_and_pd(a.lo, keep), _mm256_and_pd(a.hi, keep)};
}

// ---- conversions ----
MB_INLINE VecD WidenPart(__m256 v) {
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}
MB_INLINE void Widen(VecF v, VecD* low, VecD* high) {
  *low = WidenPart(v.lo);
  *high = WidenPart(v.hi);
}
MB_INLINE __m256 NarrowPart(VecD v) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(v.lo)), _mm256_cvtpd_ps(v.hi), 1);
}
MB_INLINE VecF Narrow(VecD low, VecD high) { return {NarrowPart(low), NarrowPart(high)}; }
template <typename T> MB_INLINE Vec<T> LoadI32(const int32_t* p) {
  if constexpr (sizeof(T) == 4) {
    return {_mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))),
            _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8)))};
  } else {
    return {_mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 4)))};
  }
}
template <typename T> MB_INLINE Vec<T> LoadI32Partial(const int32_t* p, int n) {
  if constexpr (sizeof(T) == 4) {
    return {_mm256_cvtepi32_ps(_mm256_maskload_epi32(p, First8(n))), _mm256_cvtepi32_ps(_mm256_maskload_epi32(p + 8, First8(n - 8)))};
  } else {
    const __m256i ints = _mm256_maskload_epi32(p, First8(n));
    return {_mm256_cvtepi32_pd(_mm256_castsi256_si128(ints)), _mm256_cvtepi32_pd(_mm256_extracti128_si256(ints, 1))};
  }
}
template <typename T> MB_INLINE Vec<T> FromBytes(__m128i bytes) {
  if constexpr (sizeof(T) == 4) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
  } else {
    return {_mm256_cvtepi32_pd(_mm_cvtepu8_epi32(bytes)), _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_srli_si128(bytes, 4)))};
  }
}
template <typename T> MB_INLINE Vec<T> LoadU8(const uint8_t* p) {
  if constexpr (sizeof(T) == 4) return FromBytes<T>(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  else return FromBytes<T>(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
template <typename T> MB_INLINE Vec<T> LoadU8Partial(const uint8_t* p, int n) {
  alignas(16) uint8_t bytes[16] = {};
  for (int i = 0; i < n; i++) bytes[i] = p[i];
  return FromBytes<T>(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
}

// ---- over the lanes: i with i + half, then half of that, and so on ----
MB_INLINE float SumLanes(VecF v) {
  const __m256 a = _mm256_add_ps(v.lo, v.hi);
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}
MB_INLINE double SumLanes(VecD v) {
  const __m256d a = _mm256_add_pd(v.lo, v.hi);
  const __m128d b = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
  return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
}
// The largest and the smallest lane, if none is NaN.
MB_INLINE float MaxOfLanes(VecF v) {
  const __m256 a = _mm256_max_ps(v.lo, v.hi);
  const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps(c, c, 1)));
}
MB_INLINE double MaxOfLanes(VecD v) {
  const __m256d a = _mm256_max_pd(v.lo, v.hi);
  const __m128d b = _mm_max_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
  return _mm_cvtsd_f64(_mm_max_sd(b, _mm_unpackhi_pd(b, b)));
}
template <typename T> MB_INLINE T MinOfLanes(Vec<T> v) { return -MaxOfLanes(Neg(v)); }

// ---- integers, for the random generator ----
// Eight lanes of 64 bits of which products read the low 32: a Philox round needs no repacking then.
struct U64x8 {
  __m256i lo, hi;
};
struct U32x16 {
  __m256i lo, hi;
};
MB_INLINE U64x8 SetU64(uint64_t x) {
  const __m256i r = _mm256_set1_epi64x(static_cast<int64_t>(x));
  return {r, r};
}
// base, base + step, ... base + 7 step
MB_INLINE U64x8 IotaU64(uint64_t base, uint64_t step) {
  const auto b = static_cast<int64_t>(base), s = static_cast<int64_t>(step);
  return {_mm256_setr_epi64x(b, b + s, b + 2 * s, b + 3 * s), _mm256_setr_epi64x(b + 4 * s, b + 5 * s, b + 6 * s, b + 7 * s)};
}
MB_INLINE U64x8 Add(U64x8 a, U64x8 b) { return {_mm256_add_epi64(a.lo, b.lo), _mm256_add_epi64(a.hi, b.hi)}; }
MB_INLINE U64x8 MulLow32(U64x8 a, U64x8 b) { return {_mm256_mul_epu32(a.lo, b.lo), _mm256_mul_epu32(a.hi, b.hi)}; }
MB_INLINE U64x8 HighHalf(U64x8 a) { return {_mm256_srli_epi64(a.lo, 32), _mm256_srli_epi64(a.hi, 32)}; }
MB_INLINE U64x8 Xor3(U64x8 a, U64x8 b, U64x8 c) {
  return {_mm256_xor_si256(a.lo, _mm256_xor_si256(b.lo, c.lo)), _mm256_xor_si256(a.hi, _mm256_xor_si256(b.hi, c.hi))};
}
// The low words of even and odd, taken in turn.
MB_INLINE U32x16 Interleave(U64x8 even, U64x8 odd) {
  return {_mm256_blend_epi32(even.lo, _mm256_slli_epi64(odd.lo, 32), 0xaa), _mm256_blend_epi32(even.hi, _mm256_slli_epi64(odd.hi, 32), 0xaa)};
}
// Of each lane of a, whether its low and its high 16 bits are below a threshold under 65536: a bit per lane.
MB_INLINE void HalvesBelow(U32x16 a, uint32_t threshold, uint32_t* low, uint32_t* high) {
  // AVX2 compares signed: flip the top bits. A comparison of halves leaves that of the high one in the lane's sign.
  const __m256i top = _mm256_set1_epi16(INT16_MIN), limit = _mm256_set1_epi16(static_cast<int16_t>(threshold ^ 0x8000u));
  const __m256i lo = _mm256_cmpgt_epi16(limit, _mm256_xor_si256(a.lo, top)), hi = _mm256_cmpgt_epi16(limit, _mm256_xor_si256(a.hi, top));
  const auto signs = [](__m256i x) __attribute__((always_inline)) { return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(x))); };
  *high = signs(lo) | signs(hi) << 8;
  *low = signs(_mm256_slli_epi32(lo, 16)) | signs(_mm256_slli_epi32(hi, 16)) << 8;
}
