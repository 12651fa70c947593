// The vector type for any machine: four parts of 16 bytes in plain arithmetic (SSE2 on x86-64).
// Included inside a namespace (native/target/scalar.cc). No fused multiply-add, so its bits may differ from the others'.

#define MB_INLINE static inline __attribute__((always_inline))

constexpr bool kHasFma = false;
constexpr int kVecRegisters = 4;  // how many Vec live in registers at once

template <typename V> MB_INLINE V PartFma(V a, V b, V c) { return a * b + c; }
#if defined(__SSE2__)
MB_INLINE __m128 PartSqrt(__m128 a) { return _mm_sqrt_ps(a); }
MB_INLINE __m128d PartSqrt(__m128d a) { return _mm_sqrt_pd(a); }
#else
template <typename V> MB_INLINE V PartSqrt(V a) {
  for (unsigned i = 0; i < sizeof(V) / sizeof(a[0]); i++) {
    if constexpr (sizeof(a[0]) == 4) a[i] = __builtin_sqrtf(a[i]);
    else a[i] = __builtin_sqrt(a[i]);
  }
  return a;
}
#endif
// To the nearest whole number, ties to even: beyond 2^23 (2^52) every number is whole, below the sum rounds.
template <typename V> MB_INLINE V PartRound(V a) {
  constexpr bool kFloat = sizeof(a[0]) == 4;
  const V whole = V{} + (kFloat ? 8388608.0f : 4503599627370496.0);
  const V size = a < 0 ? -a : a;
  const V near = (size + whole) - whole;
  return size < whole ? (a < 0 ? -near : near) : a;
}
template <typename V> MB_INLINE V PartMulLow32(V a, V b) { return (a & 0xffffffffu) * (b & 0xffffffffu); }

#include "vec_parts.h"
