// The vector type as four parts of 16 bytes, written with the compiler's vector extensions: what vec_scalar.h and
// vec_neon.h share. Each of them first defines, on one part, what the extensions lack: PartFma, PartSqrt, PartRound,
// PartMulLow32. Included inside a namespace; knows no intrinsics.

using F4 = float __attribute__((vector_size(16)));
using D2 = double __attribute__((vector_size(16)));
using I4 = int32_t __attribute__((vector_size(16)));
using L2 = int64_t __attribute__((vector_size(16)));
using W4 = uint32_t __attribute__((vector_size(16)));
using Q2 = uint64_t __attribute__((vector_size(16)));

template <typename T> struct PartOf;
template <> struct PartOf<float> {
  using Part = F4;
  using Bits = I4;  // what a comparison of parts yields: -1 or 0
  using Word = int32_t;
  using Unsigned = W4;
  static constexpr Word kSign = INT32_MIN;
};
template <> struct PartOf<double> {
  using Part = D2;
  using Bits = L2;
  using Word = int64_t;
  using Unsigned = Q2;
  static constexpr Word kSign = INT64_MIN;
};
template <typename T> using Part = typename PartOf<T>::Part;
template <typename T> using Bits = typename PartOf<T>::Bits;

template <typename T> struct Vec {
  static constexpr int kLanes = 64 / sizeof(T);
  Part<T> r[4];
};
template <typename T> struct Mask {
  Bits<T> r[4];
};
using VecF = Vec<float>;
using VecD = Vec<double>;
using MaskF = Mask<float>;
using MaskD = Mask<double>;

// Constant subscripts, no loop: the parts stay in registers. What f is given are the parts of a, of a and b, ...
#define MB_PARTS1(f) {{f(a.r[0]), f(a.r[1]), f(a.r[2]), f(a.r[3])}}
#define MB_PARTS2(f) {{f(a.r[0], b.r[0]), f(a.r[1], b.r[1]), f(a.r[2], b.r[2]), f(a.r[3], b.r[3])}}
#define MB_PARTS3(f) {{f(a.r[0], b.r[0], c.r[0]), f(a.r[1], b.r[1], c.r[1]), f(a.r[2], b.r[2], c.r[2]), f(a.r[3], b.r[3], c.r[3])}}

template <typename T> MB_INLINE Part<T> SetPart(T x) {
  if constexpr (sizeof(T) == 4) return Part<T>{x, x, x, x};
  else return Part<T>{x, x};
}
template <typename T> MB_INLINE Bits<T> SetBits(typename PartOf<T>::Word x) {
  if constexpr (sizeof(T) == 4) return Bits<T>{x, x, x, x};
  else return Bits<T>{x, x};
}

// ---- memory; "partial" touches the first n lanes only and loads zeros into the others ----
template <typename T> MB_INLINE Vec<T> Load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, 64);
  return v;
}
template <typename T> MB_INLINE void Store(T* p, Vec<T> v) { __builtin_memcpy(p, &v, 64); }
template <typename T> MB_INLINE Vec<T> LoadPartial(const T* p, int n) {
  alignas(64) T lanes[Vec<T>::kLanes] = {};
  for (int i = 0; i < n; i++) lanes[i] = p[i];
  return Load(static_cast<const T*>(lanes));
}
template <typename T> MB_INLINE void StorePartial(T* p, Vec<T> v, int n) {
  alignas(64) T lanes[Vec<T>::kLanes];
  Store(static_cast<T*>(lanes), v);
  for (int i = 0; i < n; i++) p[i] = lanes[i];
}
MB_INLINE void Prefetch(const void* p) { __builtin_prefetch(p); }
template <typename T> MB_INLINE Vec<T> Set(T x) {
  const Part<T> r = SetPart<T>(x);
  return {{r, r, r, r}};
}
template <typename T> MB_INLINE Vec<T> Zero() { return Set<T>(0); }

// ---- arithmetic ----
#define MB_ADD(x, y) x + y
#define MB_SUB(x, y) x - y
#define MB_MUL(x, y) x* y
#define MB_DIV(x, y) x / y
template <typename T> MB_INLINE Vec<T> Add(Vec<T> a, Vec<T> b) { return MB_PARTS2(MB_ADD); }
template <typename T> MB_INLINE Vec<T> Sub(Vec<T> a, Vec<T> b) { return MB_PARTS2(MB_SUB); }
template <typename T> MB_INLINE Vec<T> Mul(Vec<T> a, Vec<T> b) { return MB_PARTS2(MB_MUL); }
template <typename T> MB_INLINE Vec<T> Div(Vec<T> a, Vec<T> b) { return MB_PARTS2(MB_DIV); }
template <typename T> MB_INLINE Vec<T> Sqrt(Vec<T> a) { return MB_PARTS1(PartSqrt); }
#define MB_ABS(x) (Part<T>)((Bits<T>)x & ~sign)
#define MB_NEG(x) (Part<T>)((Bits<T>)x ^ sign)
// |x| with the sign of y.
#define MB_SIGNED(x, y) (Part<T>)(((Bits<T>)x & ~sign) | ((Bits<T>)y & sign))
template <typename T> MB_INLINE Vec<T> Abs(Vec<T> a) {
  const Bits<T> sign = SetBits<T>(PartOf<T>::kSign);
  return MB_PARTS1(MB_ABS);
}
template <typename T> MB_INLINE Vec<T> Neg(Vec<T> a) {
  const Bits<T> sign = SetBits<T>(PartOf<T>::kSign);
  return MB_PARTS1(MB_NEG);
}
// |a| with the sign of b.
template <typename T> MB_INLINE Vec<T> CopySign(Vec<T> a, Vec<T> b) {
  const Bits<T> sign = SetBits<T>(PartOf<T>::kSign);
  return MB_PARTS2(MB_SIGNED);
}
// a * b + c and c - a * b, rounded once where kHasFma.
#define MB_LESS_PRODUCT(x, y, z) PartFma(-x, y, z)
template <typename T> MB_INLINE Vec<T> Fma(Vec<T> a, Vec<T> b, Vec<T> c) { return MB_PARTS3(PartFma); }
template <typename T> MB_INLINE Vec<T> Fnma(Vec<T> a, Vec<T> b, Vec<T> c) { return MB_PARTS3(MB_LESS_PRODUCT); }

// ---- comparisons: false where a lane is NaN, but NotEqual ----
#define MB_LESS(x, y) (Bits<T>)(x < y)
#define MB_LESS_EQUAL(x, y) (Bits<T>)(x <= y)
#define MB_EQUAL(x, y) (Bits<T>)(x == y)
#define MB_NOT_EQUAL(x, y) (Bits<T>)(x != y)
#define MB_NAN(x) (Bits<T>)(x != x)
#define MB_AND(x, y) x& y
#define MB_OR(x, y) x | y
#define MB_NOT(x) ~x
// mask ? y : z and mask ? y : 0, by bits.
#define MB_SELECT(mask, y, z) (Part<T>)((mask & (Bits<T>)y) | (~mask & (Bits<T>)z))
#define MB_KEEP(mask, y) (Part<T>)(mask & (Bits<T>)y)
template <typename T> MB_INLINE Mask<T> Less(Vec<T> a, Vec<T> b) { return MB_PARTS2(MB_LESS); }
template <typename T> MB_INLINE Mask<T> LessEqual(Vec<T> a, Vec<T> b) { return MB_PARTS2(MB_LESS_EQUAL); }
template <typename T> MB_INLINE Mask<T> Greater(Vec<T> a, Vec<T> b) { return Less(b, a); }
template <typename T> MB_INLINE Mask<T> Equal(Vec<T> a, Vec<T> b) { return MB_PARTS2(MB_EQUAL); }
template <typename T> MB_INLINE Mask<T> NotEqual(Vec<T> a, Vec<T> b) { return MB_PARTS2(MB_NOT_EQUAL); }
template <typename T> MB_INLINE Mask<T> IsNan(Vec<T> a) { return MB_PARTS1(MB_NAN); }
template <typename T> MB_INLINE Mask<T> And(Mask<T> a, Mask<T> b) { return MB_PARTS2(MB_AND); }
template <typename T> MB_INLINE Mask<T> Or(Mask<T> a, Mask<T> b) { return MB_PARTS2(MB_OR); }
template <typename T> MB_INLINE Mask<T> Not(Mask<T> a) { return MB_PARTS1(MB_NOT); }
// b where the mask is set, else c.
template <typename T> MB_INLINE Vec<T> Select(Mask<T> a, Vec<T> b, Vec<T> c) { return MB_PARTS3(MB_SELECT); }
// b where the mask is set, else +0.
template <typename T> MB_INLINE Vec<T> SelectOrZero(Mask<T> a, Vec<T> b) { return MB_PARTS2(MB_KEEP); }
template <typename T> MB_INLINE uint32_t MaskBits(Mask<T> m) {
  constexpr int kPart = 16 / sizeof(T);
  uint32_t bits = 0;
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < kPart; j++) bits |= (static_cast<uint32_t>(m.r[i][j]) & 1u) << (i * kPart + j);
  }
  return bits;
}
template <typename T> MB_INLINE Mask<T> MaskFromBits(uint32_t bits) {
  constexpr int kPart = 16 / sizeof(T);
  const Bits<T> all = SetBits<T>(static_cast<typename PartOf<T>::Word>(bits)), zero = SetBits<T>(0);
  Bits<T> bit;
  if constexpr (sizeof(T) == 4) bit = Bits<T>{1, 2, 4, 8};
  else bit = Bits<T>{1, 2};
  return {{(all & bit) != zero, (all & (bit << kPart)) != zero, (all & (bit << (2 * kPart))) != zero, (all & (bit << (3 * kPart))) != zero}};
}

// ---- minimum and maximum; NaN wins from either side ----
template <typename T> MB_INLINE Vec<T> Min(Vec<T> a, Vec<T> b) { return Select(Or(Less(a, b), IsNan(a)), a, b); }
template <typename T> MB_INLINE Vec<T> Max(Vec<T> a, Vec<T> b) { return Select(Or(Less(b, a), IsNan(a)), a, b); }
// max(x, 0); NaN stays.
template <typename T> MB_INLINE Vec<T> Relu(Vec<T> x) { return SelectOrZero(Not(Less(x, Zero<T>())), x); }
// min(max(x, low), high); NaN stays.
template <typename T> MB_INLINE Vec<T> Clamp(Vec<T> x, Vec<T> low, Vec<T> high) {
  const Vec<T> raised = Select(Less(x, low), low, x);
  return Select(Less(high, raised), high, raised);
}

// ---- rounding, exponents ----
template <typename T> MB_INLINE Vec<T> Round(Vec<T> a) { return MB_PARTS1(PartRound); }
template <typename T> MB_INLINE Vec<T> Floor(Vec<T> a) {
  const Vec<T> near = Round(a);
  return Sub(near, SelectOrZero(Less(a, near), Set<T>(1)));
}
// 2^n for whole n with a normal result. Adding 1.5 * 2^23 (2^52) plus the bias leaves the biased exponent in the low bits.
#define MB_POWER(x) (Part<T>)((Whole)(x + magic) << digits)
template <typename T> MB_INLINE Vec<T> Pow2(Vec<T> a) {
  // Unsigned, because bits are shifted out.
  using Whole = typename PartOf<T>::Unsigned;
  constexpr int digits = sizeof(T) == 4 ? 23 : 52;
  const Part<T> magic = SetPart<T>(sizeof(T) == 4 ? T(12583039.0) : T(6755399441056767.0));
  return MB_PARTS1(MB_POWER);
}
// A positive normal a = m * 2^exponent with m from sqrt(1/2) to sqrt(2). Other numbers give some number, so unsigned.
#define MB_SHIFTED(x) (Part<T>)((Whole)x + to_half)
#define MB_EXPONENT(x) (Part<T>)(((Whole)x >> digits) | magic) - less
#define MB_MANTISSA(x) (Part<T>)(((Whole)x & low) + half)
template <typename T> MB_INLINE Vec<T> ShiftToHalf(Vec<T> a, typename PartOf<T>::Unsigned to_half) {
  using Whole = typename PartOf<T>::Unsigned;
  return MB_PARTS1(MB_SHIFTED);
}
template <typename T> MB_INLINE Vec<T> Frexp(Vec<T> x, Vec<T>* exponent) {
  using Word = typename PartOf<T>::Word;
  using Whole = typename PartOf<T>::Unsigned;
  constexpr bool kFloat = sizeof(T) == 4;
  constexpr Word kHalf = kFloat ? 0x3f3504f3 : static_cast<Word>(0x3fe6a09e667f3bcd);  // sqrt(1/2)
  constexpr Word kOne = kFloat ? 0x3f800000 : static_cast<Word>(0x3ff0000000000000);
  constexpr int digits = kFloat ? 23 : 52;
  const Whole half = (Whole)SetBits<T>(kHalf), low = (Whole)SetBits<T>((Word{1} << digits) - 1);
  // The biased exponent in the low bits of 2^23 (2^52), less 2^23 (2^52) and the bias.
  const Whole magic = (Whole)SetBits<T>(kFloat ? 0x4b000000 : static_cast<Word>(0x4330000000000000));
  const Part<T> less = SetPart<T>(kFloat ? static_cast<T>(8388608.0 + 127.0) : static_cast<T>(4503599627370496.0 + 1023.0));
  const Vec<T> a = ShiftToHalf(x, (Whole)SetBits<T>(kOne - kHalf));
  *exponent = MB_PARTS1(MB_EXPONENT);
  return MB_PARTS1(MB_MANTISSA);
}
// a with the low half of its significand cleared, so that products of two such numbers are exact.
#define MB_HIGH(x) (Part<T>)((Bits<T>)x & keep)
template <typename T> MB_INLINE Vec<T> High(Vec<T> a) {
  const Bits<T> keep = SetBits<T>(sizeof(T) == 4 ? -4096 : -134217728);
  return MB_PARTS1(MB_HIGH);
}

// ---- conversions ----
#define MB_PAIR(part, i) (D2{static_cast<double>(v.r[part][i]), static_cast<double>(v.r[part][i + 1])})
MB_INLINE void Widen(VecF v, VecD* low, VecD* high) {
  *low = {{MB_PAIR(0, 0), MB_PAIR(0, 2), MB_PAIR(1, 0), MB_PAIR(1, 2)}};
  *high = {{MB_PAIR(2, 0), MB_PAIR(2, 2), MB_PAIR(3, 0), MB_PAIR(3, 2)}};
}
MB_INLINE F4 JoinHalves(D2 a, D2 b) { return F4{static_cast<float>(a[0]), static_cast<float>(a[1]), static_cast<float>(b[0]), static_cast<float>(b[1])}; }
MB_INLINE VecF Narrow(VecD low, VecD high) {
  return {{JoinHalves(low.r[0], low.r[1]), JoinHalves(low.r[2], low.r[3]), JoinHalves(high.r[0], high.r[1]), JoinHalves(high.r[2], high.r[3])}};
}
template <typename T, typename S> MB_INLINE Vec<T> ConvertPartial(const S* p, int n) {
  alignas(64) T lanes[Vec<T>::kLanes] = {};
  for (int i = 0; i < n; i++) lanes[i] = static_cast<T>(p[i]);
  return Load(static_cast<const T*>(lanes));
}
template <typename T> MB_INLINE Vec<T> LoadI32(const int32_t* p) { return ConvertPartial<T>(p, Vec<T>::kLanes); }
template <typename T> MB_INLINE Vec<T> LoadI32Partial(const int32_t* p, int n) { return ConvertPartial<T>(p, n); }
template <typename T> MB_INLINE Vec<T> LoadU8(const uint8_t* p) { return ConvertPartial<T>(p, Vec<T>::kLanes); }
template <typename T> MB_INLINE Vec<T> LoadU8Partial(const uint8_t* p, int n) { return ConvertPartial<T>(p, n); }

// ---- over the lanes: i with i + half, then half of that, and so on ----
MB_INLINE float SumLanes(VecF v) {
  const F4 a = (v.r[0] + v.r[2]) + (v.r[1] + v.r[3]);
  return (a[0] + a[2]) + (a[1] + a[3]);
}
MB_INLINE double SumLanes(VecD v) {
  const D2 a = (v.r[0] + v.r[2]) + (v.r[1] + v.r[3]);
  return a[0] + a[1];
}
// The largest and the smallest lane, if none is NaN.
template <typename T> MB_INLINE Part<T> LargerPart(Part<T> a, Part<T> b) { return a > b ? a : b; }
template <typename T> MB_INLINE T MaxOfLanes(Vec<T> v) {
  const Part<T> a = LargerPart<T>(LargerPart<T>(v.r[0], v.r[2]), LargerPart<T>(v.r[1], v.r[3]));
  T best = a[0];
  for (unsigned i = 1; i < 16 / sizeof(T); i++) best = a[i] > best ? a[i] : best;
  return best;
}
template <typename T> MB_INLINE T MinOfLanes(Vec<T> v) { return -MaxOfLanes(Neg(v)); }

// ---- integers, for the random generator ----
// Eight lanes of 64 bits of which products read the low 32: a Philox round needs no repacking then.
struct U64x8 {
  Q2 r[4];
};
struct U32x16 {
  W4 r[4];
};
MB_INLINE U64x8 SetU64(uint64_t x) {
  const Q2 r{x, x};
  return {{r, r, r, r}};
}
// base, base + step, ... base + 7 step
MB_INLINE U64x8 IotaU64(uint64_t base, uint64_t step) {
  const Q2 first{base, base + step}, two{2 * step, 2 * step};
  return {{first, first + two, first + 2 * two, first + 3 * two}};
}
#define MB_HIGH_HALF(x) x >> 32
#define MB_XOR3(x, y, z) x ^ (y ^ z)
#define MB_INTERLEAVE(x, y) (W4)((x & 0xffffffffu) | (y << 32))
MB_INLINE U64x8 Add(U64x8 a, U64x8 b) { return MB_PARTS2(MB_ADD); }
MB_INLINE U64x8 MulLow32(U64x8 a, U64x8 b) { return MB_PARTS2(PartMulLow32); }
MB_INLINE U64x8 HighHalf(U64x8 a) { return MB_PARTS1(MB_HIGH_HALF); }
MB_INLINE U64x8 Xor3(U64x8 a, U64x8 b, U64x8 c) { return MB_PARTS3(MB_XOR3); }
// The low words of even and odd, taken in turn.
MB_INLINE U32x16 Interleave(U64x8 a, U64x8 b) { return MB_PARTS2(MB_INTERLEAVE); }
// Of each lane of a, whether its low and its high 16 bits are below a threshold under 65536: a bit per lane.
#define MB_HIGH_BELOW(x) (I4)(x < limit)
#define MB_LOW_BELOW(x) (I4)((x << 16) < limit)
MB_INLINE void HalvesBelow(U32x16 a, uint32_t threshold, uint32_t* low, uint32_t* high) {
  // Whatever stands below the high half does not change how it compares with a limit that has zeros there.
  const uint32_t t = threshold << 16;
  const W4 limit{t, t, t, t};
  const MaskF highs = MB_PARTS1(MB_HIGH_BELOW), lows = MB_PARTS1(MB_LOW_BELOW);
  *high = MaskBits(highs);
  *low = MaskBits(lows);
}
