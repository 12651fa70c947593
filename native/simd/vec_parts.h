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
  static constexpr Word kSign = INT32_MIN;
};
template <> struct PartOf<double> {
  using Part = D2;
  using Bits = L2;
  using Word = int64_t;
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

// Constant subscripts, no loop: the parts stay in registers.
#define MB_EACH(f) {{f(0), f(1), f(2), f(3)}}
#define MB_PART(expression) [&](int i) __attribute__((always_inline)) { return expression; }

template <typename T> MB_INLINE Part<T> SetPart(T x) {
  if constexpr (sizeof(T) == 4) return Part<T>{x, x, x, x};
  else return Part<T>{x, x};
}
template <typename T> MB_INLINE Bits<T> SetBits(typename PartOf<T>::Word x) {
  if constexpr (sizeof(T) == 4) return Bits<T>{x, x, x, x};
  else return Bits<T>{x, x};
}
template <typename T> MB_INLINE Bits<T> ToBits(Part<T> x) { return reinterpret_cast<Bits<T>>(x); }
template <typename T> MB_INLINE Part<T> FromBits(Bits<T> x) { return reinterpret_cast<Part<T>>(x); }

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
template <typename T> MB_INLINE Vec<T> Add(Vec<T> a, Vec<T> b) {
  const auto f = MB_PART(a.r[i] + b.r[i]);
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Sub(Vec<T> a, Vec<T> b) {
  const auto f = MB_PART(a.r[i] - b.r[i]);
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Mul(Vec<T> a, Vec<T> b) {
  const auto f = MB_PART(a.r[i] * b.r[i]);
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Div(Vec<T> a, Vec<T> b) {
  const auto f = MB_PART(a.r[i] / b.r[i]);
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Sqrt(Vec<T> a) {
  const auto f = MB_PART(PartSqrt(a.r[i]));
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Abs(Vec<T> a) {
  const auto f = MB_PART(FromBits<T>(ToBits<T>(a.r[i]) & ~SetBits<T>(PartOf<T>::kSign)));
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Neg(Vec<T> a) {
  const auto f = MB_PART(FromBits<T>(ToBits<T>(a.r[i]) ^ SetBits<T>(PartOf<T>::kSign)));
  return MB_EACH(f);
}
// a * b + c and c - a * b, rounded once where kHasFma.
template <typename T> MB_INLINE Vec<T> Fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  const auto f = MB_PART(PartFma(a.r[i], b.r[i], c.r[i]));
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Fnma(Vec<T> a, Vec<T> b, Vec<T> c) { return Fma(Neg(a), b, c); }
// |magnitude| with the sign of sign.
template <typename T> MB_INLINE Vec<T> CopySign(Vec<T> magnitude, Vec<T> sign) {
  const Bits<T> bit = SetBits<T>(PartOf<T>::kSign);
  const auto f = MB_PART(FromBits<T>((ToBits<T>(magnitude.r[i]) & ~bit) | (ToBits<T>(sign.r[i]) & bit)));
  return MB_EACH(f);
}

// ---- comparisons: false where a lane is NaN, but NotEqual ----
template <typename T> MB_INLINE Mask<T> Less(Vec<T> a, Vec<T> b) {
  const auto f = MB_PART(Bits<T>(a.r[i] < b.r[i]));
  return MB_EACH(f);
}
template <typename T> MB_INLINE Mask<T> LessEqual(Vec<T> a, Vec<T> b) {
  const auto f = MB_PART(Bits<T>(a.r[i] <= b.r[i]));
  return MB_EACH(f);
}
template <typename T> MB_INLINE Mask<T> Greater(Vec<T> a, Vec<T> b) { return Less(b, a); }
template <typename T> MB_INLINE Mask<T> Equal(Vec<T> a, Vec<T> b) {
  const auto f = MB_PART(Bits<T>(a.r[i] == b.r[i]));
  return MB_EACH(f);
}
template <typename T> MB_INLINE Mask<T> NotEqual(Vec<T> a, Vec<T> b) {
  const auto f = MB_PART(Bits<T>(a.r[i] != b.r[i]));
  return MB_EACH(f);
}
template <typename T> MB_INLINE Mask<T> IsNan(Vec<T> a) { return NotEqual(a, a); }
template <typename T> MB_INLINE Mask<T> And(Mask<T> a, Mask<T> b) {
  const auto f = MB_PART(a.r[i] & b.r[i]);
  return MB_EACH(f);
}
template <typename T> MB_INLINE Mask<T> Or(Mask<T> a, Mask<T> b) {
  const auto f = MB_PART(a.r[i] | b.r[i]);
  return MB_EACH(f);
}
template <typename T> MB_INLINE Mask<T> Not(Mask<T> a) {
  const auto f = MB_PART(~a.r[i]);
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Select(Mask<T> m, Vec<T> yes, Vec<T> no) {
  const auto f = MB_PART(FromBits<T>((m.r[i] & ToBits<T>(yes.r[i])) | (~m.r[i] & ToBits<T>(no.r[i]))));
  return MB_EACH(f);
}
// yes where the mask is set, else +0.
template <typename T> MB_INLINE Vec<T> SelectOrZero(Mask<T> m, Vec<T> yes) {
  const auto f = MB_PART(FromBits<T>(m.r[i] & ToBits<T>(yes.r[i])));
  return MB_EACH(f);
}
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
  const Bits<T> all = SetBits<T>(static_cast<typename PartOf<T>::Word>(bits));
  Bits<T> bit;
  if constexpr (sizeof(T) == 4) bit = Bits<T>{1, 2, 4, 8};
  else bit = Bits<T>{1, 2};
  const auto f = MB_PART(Bits<T>((all & (bit << (i * kPart))) != SetBits<T>(0)));
  return MB_EACH(f);
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
template <typename T> MB_INLINE Vec<T> Round(Vec<T> a) {
  const auto f = MB_PART(PartRound(a.r[i]));
  return MB_EACH(f);
}
template <typename T> MB_INLINE Vec<T> Floor(Vec<T> a) {
  const Vec<T> near = Round(a);
  return Sub(near, SelectOrZero(Less(a, near), Set<T>(1)));
}
// 2^n for whole n with a normal result. Adding 1.5 * 2^23 (2^52) plus the bias leaves the biased exponent in the low bits.
template <typename T> MB_INLINE Vec<T> Pow2(Vec<T> n) {
  if constexpr (sizeof(T) == 4) {
    const auto f = MB_PART(FromBits<T>(ToBits<T>(n.r[i] + SetPart<T>(12583039.0f)) << 23));
    return MB_EACH(f);
  } else {
    const auto f = MB_PART(FromBits<T>(ToBits<T>(n.r[i] + SetPart<T>(6755399441056767.0)) << 52));
    return MB_EACH(f);
  }
}
// A positive normal a = m * 2^exponent with m from sqrt(1/2) to sqrt(2).
template <typename T> MB_INLINE Vec<T> Frexp(Vec<T> a, Vec<T>* exponent) {
  using Word = typename PartOf<T>::Word;
  constexpr bool kFloat = sizeof(T) == 4;
  constexpr Word kHalf = kFloat ? 0x3f3504f3 : static_cast<Word>(0x3fe6a09e667f3bcd);  // sqrt(1/2)
  constexpr Word kOne = kFloat ? 0x3f800000 : static_cast<Word>(0x3ff0000000000000);
  constexpr int kDigits = kFloat ? 23 : 52;
  // The biased exponent in the low bits of 2^23 (2^52), less 2^23 (2^52) and the bias.
  constexpr Word kMagic = kFloat ? 0x4b000000 : static_cast<Word>(0x4330000000000000);
  constexpr T kLess = kFloat ? static_cast<T>(8388608.0 + 127.0) : static_cast<T>(4503599627370496.0 + 1023.0);
  const auto shift = MB_PART(ToBits<T>(a.r[i]) + SetBits<T>(kOne - kHalf));
  const auto power = MB_PART(FromBits<T>((shift(i) >> kDigits) | SetBits<T>(kMagic)) - SetPart<T>(kLess));
  const auto mantissa = MB_PART(FromBits<T>((shift(i) & SetBits<T>((Word{1} << kDigits) - 1)) + SetBits<T>(kHalf)));
  *exponent = MB_EACH(power);
  return MB_EACH(mantissa);
}
// a with the low half of its significand cleared, so that products of two such numbers are exact.
MB_INLINE VecF High(VecF a) {
  const auto f = MB_PART(FromBits<float>(ToBits<float>(a.r[i]) & SetBits<float>(-4096)));
  return MB_EACH(f);
}
MB_INLINE VecD High(VecD a) {
  const auto f = MB_PART(FromBits<double>(ToBits<double>(a.r[i]) & SetBits<double>(-134217728)));
  return MB_EACH(f);
}

// ---- conversions ----
MB_INLINE void Widen(VecF v, VecD* low, VecD* high) {
  const auto f = MB_PART((D2{static_cast<double>(v.r[i / 2][i % 2 * 2]), static_cast<double>(v.r[i / 2][i % 2 * 2 + 1])}));
  *low = MB_EACH(f);
  const auto g = MB_PART((D2{static_cast<double>(v.r[2 + i / 2][i % 2 * 2]), static_cast<double>(v.r[2 + i / 2][i % 2 * 2 + 1])}));
  *high = MB_EACH(g);
}
MB_INLINE VecF Narrow(VecD low, VecD high) {
  const auto pair = [](D2 a, D2 b) __attribute__((always_inline)) {
    return F4{static_cast<float>(a[0]), static_cast<float>(a[1]), static_cast<float>(b[0]), static_cast<float>(b[1])};
  };
  return {{pair(low.r[0], low.r[1]), pair(low.r[2], low.r[3]), pair(high.r[0], high.r[1]), pair(high.r[2], high.r[3])}};
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
template <typename T> MB_INLINE T MaxOfLanes(Vec<T> v) {
  const auto larger = [](Part<T> a, Part<T> b) __attribute__((always_inline)) { return a > b ? a : b; };
  const Part<T> a = larger(larger(v.r[0], v.r[2]), larger(v.r[1], v.r[3]));
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
  const auto f = MB_PART((Q2{base + static_cast<uint64_t>(2 * i) * step, base + static_cast<uint64_t>(2 * i + 1) * step}));
  return MB_EACH(f);
}
MB_INLINE U64x8 Add(U64x8 a, U64x8 b) {
  const auto f = MB_PART(a.r[i] + b.r[i]);
  return MB_EACH(f);
}
MB_INLINE U64x8 MulLow32(U64x8 a, U64x8 b) {
  const auto f = MB_PART(PartMulLow32(a.r[i], b.r[i]));
  return MB_EACH(f);
}
MB_INLINE U64x8 HighHalf(U64x8 a) {
  const auto f = MB_PART(a.r[i] >> 32);
  return MB_EACH(f);
}
MB_INLINE U64x8 Xor3(U64x8 a, U64x8 b, U64x8 c) {
  const auto f = MB_PART(a.r[i] ^ (b.r[i] ^ c.r[i]));
  return MB_EACH(f);
}
// The low words of even and odd, taken in turn.
MB_INLINE U32x16 Interleave(U64x8 even, U64x8 odd) {
  const auto f = MB_PART(reinterpret_cast<W4>((even.r[i] & 0xffffffffu) | (odd.r[i] << 32)));
  return MB_EACH(f);
}
MB_INLINE U32x16 SetU32(uint32_t x) {
  const W4 r{x, x, x, x};
  return {{r, r, r, r}};
}
MB_INLINE U32x16 ShiftLeft16(U32x16 a) {
  const auto f = MB_PART(a.r[i] << 16);
  return MB_EACH(f);
}
MB_INLINE uint32_t LessBits(U32x16 a, U32x16 b) {
  MaskF m;
  for (int i = 0; i < 4; i++) m.r[i] = a.r[i] < b.r[i];
  return MaskBits(m);
}

#undef MB_EACH
#undef MB_PART
