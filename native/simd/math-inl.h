// Elementary functions on Vec: range reduction and polynomials, one order of operations for every instruction set.
// Errors: f32 within about 2 units in the last place, f64 within a few 1e-16 relative; NaN, infinities, zeros and
// denormals as IEEE 754 and JavaScript's Math have them. Included inside a namespace after vec_*.h; knows no intrinsics.
// Coefficients: least squares on Chebyshev nodes in 60 digits, each rounded in turn and the rest fitted again.

template <typename T> MB_INLINE Mask<T> FirstLanes(int n) { return MaskFromBits<T>((1u << n) - 1u); }

// c[0] + c[1] x + ... + c[N - 1] x^(N - 1)
template <typename T, int N> MB_INLINE Vec<T> Polynomial(Vec<T> x, const T (&c)[N]) {
  Vec<T> sum = Set<T>(c[N - 1]);
#pragma GCC unroll 32
  for (int i = N - 2; i >= 0; i--) sum = Fma(sum, x, Set<T>(c[i]));
  return sum;
}

template <typename T> struct MathConstants;
template <> struct MathConstants<float> {
  static constexpr float kInfinity = __builtin_inff();
  static constexpr float kNan = __builtin_nanf("");
  static constexpr float kSmallestNormal = 1.17549435e-38f;
  static constexpr float kLiftDenormal = 33554432.0f, kLiftExponent = 25.0f;
  static constexpr float kLog2e = 1.44269504f;
  // ln 2 in two numbers; products of the first with an exponent are exact.
  static constexpr float kLn2High = 0.693145752f, kLn2Low = 1.42860677e-06f;
  // exp is 0 below the first, infinite above the second.
  static constexpr float kExpLow = -104.0f, kExpHigh = 89.0f;
  static constexpr float kExpm1Low = -20.0f, kTanhOne = 10.0f;
  static constexpr float kErfcZero = 11.0f, kErfcCentre = 2.0f;
  // (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2
  static constexpr float kExp[] = {0.5f, 0.166666672f, 0.0416664556f, 0.00833319779f, 0.00139357615f, 0.000199534043f};
  // (log((1 + s) / (1 - s)) - 2 s) / s^3 in s^2, s <= 3 - sqrt(8)
  static constexpr float kLog[] = {0.666666627f, 0.4000085f, 0.285101414f, 0.240292102f};
  // erf(x) / x - 1 in x^2, x <= 1
  static constexpr float kErf[] = {0.128379166f, -0.376126289f, 0.112836182f, -0.0268551242f, 0.0051907259f, -0.000803065428f, 7.91990169e-05f};
  // (1 + 2 a) exp(a^2) erfc(a) in (a - 2) / (a + 2)
  static constexpr float kErfc[] = {1.27697837f,    -0.0927640423f,  -0.166030884f,  0.164056554f,    -0.0542075671f,
                                    -0.00806623232f, 0.00863741618f, 0.00132473547f, -0.00123149413f, -0.000405170955f};
};
template <> struct MathConstants<double> {
  static constexpr double kInfinity = __builtin_inf();
  static constexpr double kNan = __builtin_nan("");
  static constexpr double kSmallestNormal = 2.2250738585072014e-308;
  static constexpr double kLiftDenormal = 18014398509481984.0, kLiftExponent = 54.0;
  static constexpr double kLog2e = 1.4426950408889634;
  static constexpr double kLn2High = 0.69314718036912382, kLn2Low = 1.9082149292705877e-10;
  static constexpr double kExpLow = -746.0, kExpHigh = 710.0;
  static constexpr double kExpm1Low = -45.0, kTanhOne = 20.0;
  static constexpr double kErfcZero = 28.0, kErfcCentre = 3.0;
  static constexpr double kExp[] = {0.5,
                                    0.16666666666666685,
                                    0.041666666666666685,
                                    0.0083333333333159496,
                                    0.0013888888888873316,
                                    0.00019841269898678802,
                                    2.4801587349077471e-05,
                                    2.7557232847682732e-06,
                                    2.7557251971496183e-07,
                                    2.5112665623302148e-08,
                                    2.0921710583461405e-09};
  static constexpr double kLog[] = {0.66666666666666663, 0.40000000000004887, 0.28571428569426122, 0.2222222260460413,
                                    0.18181778541971122, 0.15386980979194753, 0.13252317951194734, 0.13233302833305172};
  static constexpr double kErf[] = {0.12837916709551259,    -0.37612638903183876,    0.11283791670958783,     -0.026866170645631897,
                                    0.0052239776292456498,  -0.00085483271993582724, 0.00012055338161400656,  -1.4925748180206354e-05,
                                    1.6463247307130268e-06, -1.6372371891698225e-07, 1.4798357234369911e-08,  -1.1876555591839105e-09,
                                    6.7628016388325013e-11};
  static constexpr double kErfc[] = {1.2530080582697296,      -0.13562110612458061,    -0.047562294353444293,   0.12964515870269908,
                                     -0.11927366341556556,    0.068308027345990771,    -0.023770514914029917,   0.0025293917856959777,
                                     0.0018886903124135425,   -0.00077983201774077765, -0.00010515949900807277, 0.00012509805381142924,
                                     4.9481833033370569e-06,  -2.0096327793970985e-05, -7.2764350743620004e-07, 3.4633970761177852e-06,
                                     3.4898360172126521e-07,  -6.042685934535102e-07,  -1.3096998690902601e-07, 9.1354047524293777e-08,
                                     3.2733513690410402e-08,  -8.3491134725848578e-09, -4.1355211355591555e-09};
};

// The largest and the smallest lane; NaN if any lane is.
template <typename T> MB_INLINE T MaxLanes(Vec<T> v) { return MaskBits(IsNan(v)) != 0 ? MathConstants<T>::kNan : MaxOfLanes(v); }
template <typename T> MB_INLINE T MinLanes(Vec<T> v) { return MaskBits(IsNan(v)) != 0 ? MathConstants<T>::kNan : MinOfLanes(v); }

// What a b lost when it was rounded to product.
template <typename T> MB_INLINE Vec<T> ProductError(Vec<T> a, Vec<T> b, Vec<T> product) {
  if constexpr (kHasFma) {
    return Fma(a, b, Neg(product));
  } else {
    const Vec<T> ah = High(a), bh = High(b), al = Sub(a, ah), bl = Sub(b, bh);
    return Add(Add(Add(Sub(Mul(ah, bh), product), Mul(ah, bl)), Mul(al, bh)), Mul(al, bl));
  }
}

// x = n ln 2 + r with |r| <= ln 2 / 2; returns e^r - 1.
template <typename T> MB_INLINE Vec<T> ReducedExpm1(Vec<T> x, Vec<T>* n) {
  using C = MathConstants<T>;
  *n = Round(Mul(x, Set<T>(C::kLog2e)));
  const Vec<T> r = Fnma(*n, Set<T>(C::kLn2Low), Fnma(*n, Set<T>(C::kLn2High), x));
  return Fma(Mul(r, r), Polynomial(r, C::kExp), r);
}

// 2^n reaches further than one normal number does: two factors.
template <typename T> MB_INLINE Vec<T> Exp(Vec<T> x) {
  using C = MathConstants<T>;
  Vec<T> n;
  const Vec<T> p = ReducedExpm1(Clamp(x, Set<T>(C::kExpLow), Set<T>(C::kExpHigh)), &n);
  const Vec<T> half = Round(Mul(n, Set<T>(T(0.5))));
  return Mul(Mul(Add(p, Set<T>(1)), Pow2(half)), Pow2(Sub(n, half)));
}

template <typename T> MB_INLINE Vec<T> Expm1(Vec<T> x) {
  using C = MathConstants<T>;
  Vec<T> n;
  const Vec<T> p = ReducedExpm1(Clamp(x, Set<T>(C::kExpm1Low), Set<T>(C::kExpHigh)), &n);
  const Vec<T> half = Round(Mul(n, Set<T>(T(0.5)))), rest = Sub(n, half), scale = Pow2(half);
  // (p 2^half + (2^half - 2^-rest)) 2^rest; CopySign keeps -0.
  return CopySign(Mul(Fma(p, scale, Sub(scale, Pow2(Neg(rest)))), Pow2(rest)), x);
}

// log(2^e (1 + f)) for 1 + f from sqrt(1/2) to sqrt(2): f - (f^2/2 - s (f^2/2 + s^2 (2/3 + ...))) + e ln 2 with s = f / (2 + f).
template <typename T> MB_INLINE Vec<T> LogOfParts(Vec<T> f, Vec<T> e) {
  using C = MathConstants<T>;
  const Vec<T> s = Div(f, Add(f, Set<T>(2)));
  const Vec<T> z = Mul(s, s);
  const Vec<T> square = Mul(Mul(f, f), Set<T>(T(0.5)));
  const Vec<T> r = Mul(s, Fma(z, Polynomial(z, C::kLog), square));
  return Fma(e, Set<T>(C::kLn2High), Sub(f, Sub(square, Fma(e, Set<T>(C::kLn2Low), r))));
}

// Mantissa and exponent of a positive x, denormal or not.
template <typename T> MB_INLINE Vec<T> FrexpPositive(Vec<T> x, Vec<T>* e) {
  using C = MathConstants<T>;
  const Mask<T> denormal = Less(x, Set<T>(C::kSmallestNormal));
  const Vec<T> m = Frexp(Select(denormal, Mul(x, Set<T>(C::kLiftDenormal)), x), e);
  *e = Sub(*e, SelectOrZero(denormal, Set<T>(C::kLiftExponent)));
  return m;
}

template <typename T> MB_INLINE Vec<T> Log(Vec<T> x) {
  using C = MathConstants<T>;
  Vec<T> e;
  const Vec<T> m = FrexpPositive(x, &e);
  const Vec<T> infinity = Set<T>(C::kInfinity);
  const Vec<T> finite = Select(Less(x, infinity), LogOfParts(Sub(m, Set<T>(1)), e), x);
  return Select(Equal(x, Zero<T>()), Neg(infinity), Select(Less(x, Zero<T>()), Set<T>(C::kNan), finite));
}

// log(1 + x) for 0 <= x <= 1 (and NaN): what 1 + x loses in rounding is added to the mantissa.
template <typename T> MB_INLINE Vec<T> Log1p(Vec<T> x) {
  const Vec<T> y = Add(x, Set<T>(1)), lost = Sub(x, Sub(y, Set<T>(1)));
  Vec<T> e;
  const Vec<T> m = Frexp(y, &e);
  const Vec<T> log = LogOfParts(Fma(lost, Pow2(Neg(e)), Sub(m, Set<T>(1))), e);
  return Select(IsNan(x), x, log);
}

template <typename T> MB_INLINE Vec<T> Tanh(Vec<T> x) {
  const Vec<T> a = Clamp(Abs(x), Zero<T>(), Set<T>(MathConstants<T>::kTanhOne));
  const Vec<T> t = Expm1(Add(a, a));
  return CopySign(Div(t, Add(t, Set<T>(2))), x);
}

// 1 / (1 + e^-x), from e^-|x| so that small values keep their digits.
template <typename T> MB_INLINE Vec<T> Sigmoid(Vec<T> x) {
  const Vec<T> e = Exp(Neg(Abs(x)));
  return Div(Select(Less(x, Zero<T>()), e, Set<T>(1)), Add(e, Set<T>(1)));
}

// log(1 + e^x)
template <typename T> MB_INLINE Vec<T> Softplus(Vec<T> x) { return Add(Relu(x), Log1p(Exp(Neg(Abs(x))))); }

// erfc(a) for a >= 0, where a^2 = square + rest to more digits than one number has: e^-(a^2) needs them.
template <typename T> MB_INLINE Vec<T> ErfcOfPositive(Vec<T> a, Vec<T> square, Vec<T> rest) {
  using C = MathConstants<T>;
  const Vec<T> centre = Set<T>(C::kErfcCentre);
  const Vec<T> near = Clamp(a, Zero<T>(), Set<T>(C::kErfcZero));
  const Vec<T> t = Div(Sub(near, centre), Add(near, centre));
  const Vec<T> scaled = Div(Polynomial(t, C::kErfc), Fma(near, Set<T>(2), Set<T>(1)));
  const Vec<T> e = Exp(Neg(square));
  // Where e is 0 the rest may be NaN (infinity less infinity).
  return Mul(Fnma(SelectOrZero(Greater(e, Zero<T>()), rest), e, e), scaled);
}

template <typename T> MB_INLINE Vec<T> Erf(Vec<T> x) {
  const Vec<T> a = Abs(x);
  const Vec<T> square = Mul(a, a);
  const Vec<T> tail = Sub(Set<T>(1), ErfcOfPositive(a, square, ProductError(a, a, square)));
  const Vec<T> inner = Fma(Polynomial(square, MathConstants<T>::kErf), a, a);
  return CopySign(Select(Less(a, Set<T>(1)), inner, tail), x);
}

// x Phi(x), Phi(x) = erfc(-x / sqrt 2) / 2: with relative accuracy on the negative side too.
template <typename T> MB_INLINE Vec<T> Gelu(Vec<T> x) {
  const Vec<T> half = Set<T>(T(0.5));
  const Vec<T> a = Abs(x);
  const Vec<T> square = Mul(a, a);
  const Vec<T> upper =
      Mul(ErfcOfPositive(Mul(a, Set<T>(T(0.70710678118654752))), Mul(square, half), Mul(ProductError(a, a, square), half)), half);
  return Mul(x, Select(Less(x, Zero<T>()), upper, Sub(Set<T>(1), upper)));
}

// |x|^y for x > 0 in double precision, the logarithm in two numbers: y log x may be large.
MB_INLINE VecD PowOfPositive(VecD x, VecD y) {
  using C = MathConstants<double>;
  const VecD one = Set<double>(1.0), two = Set<double>(2.0);
  VecD e;
  const VecD m = FrexpPositive(x, &e);
  const VecD f = Sub(m, one), d = Add(f, two), d_rest = Sub(f, Sub(d, two));
  // s + s_rest = f / (d + d_rest)
  const VecD s = Div(f, d), sd = Mul(s, d);
  const VecD s_rest = Div(Sub(Sub(Sub(f, sd), ProductError(s, d, sd)), Mul(s, d_rest)), d);
  const VecD z = Mul(s, s);
  const VecD rest = Fma(Mul(z, s), Polynomial(z, C::kLog), Add(s_rest, s_rest));
  // log x = high + low: e ln2 and 2 s added with what the sum loses (the larger first; e = 0 leaves 2 s).
  const VecD big = Mul(e, Set<double>(C::kLn2High)), s2 = Add(s, s);
  const VecD sum = Add(big, s2), back = Sub(sum, big);
  const VecD lost = Add(Sub(big, Sub(sum, back)), Sub(s2, back));
  const VecD more = Add(lost, Fma(e, Set<double>(C::kLn2Low), rest));
  const VecD high = Add(sum, more), low = Add(Sub(sum, high), more);
  const MaskD ordinary = And(Less(x, Set<double>(C::kInfinity)), Greater(x, Zero<double>()));
  const VecD log_high = Select(ordinary, high, Select(Equal(x, Zero<double>()), Set<double>(-C::kInfinity), x));
  const VecD p = Mul(y, log_high);
  const VecD p_rest = Add(ProductError(y, log_high, p), Mul(y, low));
  const VecD power = Exp(p);
  const MaskD correct = And(And(ordinary, Less(Abs(p), Set<double>(800.0))), Less(power, Set<double>(C::kInfinity)));
  return Select(correct, Fma(power, p_rest, power), power);  // infinity * 0 would be NaN
}

// Signs and special values of JavaScript's x ** y, from the power of |x|.
template <typename T> MB_INLINE Vec<T> PowSigned(Vec<T> x, Vec<T> y, Vec<T> magnitude) {
  using C = MathConstants<T>;
  const Vec<T> half = Mul(y, Set<T>(T(0.5)));
  const Mask<T> whole = Equal(Round(y), y);
  const Mask<T> odd = And(whole, NotEqual(Round(half), half));
  Vec<T> r = Select(odd, CopySign(magnitude, x), magnitude);
  const Mask<T> undefined = And(And(Less(x, Zero<T>()), Greater(x, Set<T>(-C::kInfinity))), Not(whole));
  r = Select(undefined, Set<T>(C::kNan), r);
  // The largest exponents that can be odd are below 2^24 (2^53); y NaN: not whole, and the magnitude is NaN already.
  return Select(Equal(y, Zero<T>()), Set<T>(1), r);
}
MB_INLINE VecD Pow(VecD x, VecD y) { return PowSigned(x, y, PowOfPositive(Abs(x), y)); }
MB_INLINE VecF Pow(VecF x, VecF y) {
  // In double: y log x keeps enough digits without a second number.
  VecD x0, x1, y0, y1;
  Widen(Abs(x), &x0, &x1);
  Widen(y, &y0, &y1);
  return PowSigned(x, y, Narrow(Exp(Mul(y0, Log(x0))), Exp(Mul(y1, Log(x1)))));
}
