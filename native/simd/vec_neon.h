// The vector type on 64-bit ARM: four NEON registers. The extensions in vec_parts.h compile to NEON by themselves;
// here stands what they lack. Included inside a namespace (native/target/neon.cc).

#define MB_INLINE static inline __attribute__((always_inline))

constexpr bool kHasFma = true;
constexpr int kVecRegisters = 8;  // how many Vec live in registers at once

MB_INLINE float32x4_t PartFma(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmaq_f32(c, a, b); }
MB_INLINE float64x2_t PartFma(float64x2_t a, float64x2_t b, float64x2_t c) { return vfmaq_f64(c, a, b); }
MB_INLINE float32x4_t PartSqrt(float32x4_t a) { return vsqrtq_f32(a); }
MB_INLINE float64x2_t PartSqrt(float64x2_t a) { return vsqrtq_f64(a); }
MB_INLINE float32x4_t PartRound(float32x4_t a) { return vrndnq_f32(a); }
MB_INLINE float64x2_t PartRound(float64x2_t a) { return vrndnq_f64(a); }
MB_INLINE uint64x2_t PartMulLow32(uint64x2_t a, uint64x2_t b) { return vmull_u32(vmovn_u64(a), vmovn_u64(b)); }

#include "vec_parts.h"
