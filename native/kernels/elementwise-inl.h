// Elementwise kernels: one line each. Outputs may lie on inputs of the same shape.

// ---- one input ----

#define MB_UNARY(Name, cost, expression)                                         \
  template <typename T> struct Name {                                            \
    static constexpr int kCost = cost, kAttributes = 0;                          \
    explicit Name(const double*) {}                                              \
    MB_OP Vec<T> operator()(Vec<T> x) const { return expression; }               \
  };
MB_UNARY(NegOp, 1, Neg(x))
MB_UNARY(AbsOp, 1, Abs(x))
MB_UNARY(SquareOp, 1, Mul(x, x))
MB_UNARY(SqrtOp, 2, Sqrt(x))
MB_UNARY(ExpOp, 4, Exp(x))
MB_UNARY(LogOp, 5, Log(x))
MB_UNARY(SignOp, 1, Select(Less(Zero<T>(), Abs(x)), CopySign(Set<T>(1), x), x))
MB_UNARY(ReluOp, 1, Relu(x))
MB_UNARY(TanhOp, 6, Tanh(x))
MB_UNARY(SigmoidOp, 5, Sigmoid(x))
MB_UNARY(SoftplusOp, 10, Softplus(x))
MB_UNARY(SiluOp, 5, Mul(x, Sigmoid(x)))
MB_UNARY(GeluOp, 10, Gelu(x))
MB_UNARY(ErfOp, 10, Erf(x))
#undef MB_UNARY

template <typename T> struct LeakyReluOp {
  static constexpr int kCost = 1, kAttributes = 1;
  Vec<T> slope;
  explicit LeakyReluOp(const double* a) : slope(Set<T>(static_cast<T>(a[0]))) {}
  MB_OP Vec<T> operator()(Vec<T> x) const { return Select(Greater(x, Zero<T>()), x, Mul(x, slope)); }
};
template <typename T> struct EluOp {
  static constexpr int kCost = 5, kAttributes = 1;
  Vec<T> alpha;
  explicit EluOp(const double* a) : alpha(Set<T>(static_cast<T>(a[0]))) {}
  MB_OP Vec<T> operator()(Vec<T> x) const { return Select(Greater(x, Zero<T>()), x, Mul(alpha, Expm1(x))); }
};
template <typename T> struct ClipOp {
  static constexpr int kCost = 1, kAttributes = 2;
  Vec<T> low, high;
  explicit ClipOp(const double* a) : low(Set<T>(static_cast<T>(a[0]))), high(Set<T>(static_cast<T>(a[1]))) {}
  MB_OP Vec<T> operator()(Vec<T> x) const { return Clamp(x, low, high); }
};

template <template <typename> class Op> static const char* CheckUnary(const Call& call) {
  if (const char* wrong = CheckFloats(call, 1, 1, Op<float>::kAttributes)) return wrong;
  return SameShape(call.in[0], call.out[0]) ? nullptr : "the result must have the shape of x";
}

// Elements of a piece: f64 costs twice.
template <template <typename> class Op> static int64_t ElementsPerPiece(const Call& call) {
  return kPieceElements / Op<float>::kCost / (call.out[0].dtype == DType::kF64 ? 2 : 1);
}
template <template <typename> class Op> static int64_t ElementwisePieces(const Call& call, int32_t) {
  return CountPieces(call.out[0].size, ElementsPerPiece<Op>(call));
}

// From this cost on the last, partial vector goes through a buffer and the same code again: a second copy of a long
// function costs more (in compilation) than it gives.
constexpr int kLongFunction = 4;

template <template <typename> class Op> struct UnaryLoop {
  template <typename T> struct Of {
    MB_SHARED void FullVectors(const Op<T>& op, const T* x, T* y, int64_t n) {
      for (int64_t i = 0; i + Vec<T>::kLanes <= n; i += Vec<T>::kLanes) Store(y + i, op(Load(x + i)));
    }
    static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
      const Span span = ItemsOf(call.out[0].size, ElementsPerPiece<Op>(call), begin, end);
      const Op<T> op(call.attributes);
      const T* x = In<T>(call, 0) + span.begin;
      T* y = Out<T>(call, 0) + span.begin;
      const int64_t n = span.end - span.begin;
      if constexpr (Op<T>::kCost >= kLongFunction) {
        constexpr int kLanes = Vec<T>::kLanes;
        FullVectors(op, x, y, n);
        const int rest = static_cast<int>(n % kLanes);
        if (rest == 0) return;
        alignas(64) T buffer[kLanes];
        Store(static_cast<T*>(buffer), LoadPartial(x + n - rest, rest));
        FullVectors(op, buffer, buffer, kLanes);
        StorePartial(y + n - rest, Load(static_cast<const T*>(buffer)), rest);
      } else {
        EachVector<T>(n, [&](int64_t i, auto full, int lanes) MB_LAMBDA {
          constexpr bool kFull = decltype(full)::value;
          StoreLanes<kFull>(y + i, op(LoadLanes<kFull>(x + i, lanes)), lanes);
        });
      }
    }
  };
};
template <template <typename> class Op> constexpr Kernel Unary(const char* name) {
  return {name, CheckUnary<Op>, nullptr, nullptr, ElementwisePieces<Op>, RunFloat<UnaryLoop<Op>::template Of>};
}

// ---- two inputs that broadcast ----

// A power takes 300 instructions: one copy for all ways of broadcasting, called with its operands in memory.
template <typename T> MB_SHARED void PowInMemory(T* x, const T* y) { Store(x, Pow(Load(static_cast<const T*>(x)), Load(y))); }
template <typename T> MB_INLINE Vec<T> PowByCall(Vec<T> x, Vec<T> y) {
  alignas(64) T base[Vec<T>::kLanes], exponent[Vec<T>::kLanes];
  Store(static_cast<T*>(base), x);
  Store(static_cast<T*>(exponent), y);
  PowInMemory<T>(base, exponent);
  return Load(static_cast<const T*>(base));
}

#define MB_BINARY(Name, cost, expression)                                        \
  template <typename T> struct Name {                                            \
    static constexpr int kCost = cost;                                           \
    MB_OP Vec<T> operator()(Vec<T> x, Vec<T> y) const { return expression; }     \
  };
MB_BINARY(AddOp, 1, Add(x, y))
MB_BINARY(SubOp, 1, Sub(x, y))
MB_BINARY(MulOp, 1, Mul(x, y))
MB_BINARY(DivOp, 2, Div(x, y))
MB_BINARY(PowOp, 20, PowByCall(x, y))
MB_BINARY(MaximumOp, 1, Max(x, y))
MB_BINARY(MinimumOp, 1, Min(x, y))
MB_BINARY(EqualOp, 1, SelectOrZero(Equal(x, y), Set<T>(1)))
MB_BINARY(GreaterOp, 1, SelectOrZero(Greater(x, y), Set<T>(1)))
MB_BINARY(LessOp, 1, SelectOrZero(Less(x, y), Set<T>(1)))
// Of equal shapes:
MB_BINARY(ReluGradientOp, 1, SelectOrZero(Greater(x, Zero<T>()), y))
MB_BINARY(SigmoidCrossEntropyOp, 10, Add(Fnma(x, y, Relu(x)), Log1p(Exp(Neg(Abs(x))))))
#undef MB_BINARY

template <int kInputs> static const char* CheckBroadcast(const Call& call) {
  if (const char* wrong = CheckFloats(call, kInputs, 1, 0)) return wrong;
  for (int k = 0; k < kInputs; k++) {
    if (!BroadcastsTo(call.in[k], call.out[0])) return "inputs must broadcast to the shape of the result";
  }
  return nullptr;
}
static const char* CheckEqualShapes(const Call& call) {
  if (const char* wrong = CheckFloats(call, 2, 1, 0)) return wrong;
  return SameShape(call.in[0], call.out[0]) && SameShape(call.in[1], call.out[0]) ? nullptr : "inputs and result must have one shape";
}

// One number for all lanes, or the next ones.
template <bool kMoves, bool kFull, typename T> MB_INLINE Vec<T> LoadOperand(const T* p, int64_t i, int lanes) {
  if constexpr (kMoves) return LoadLanes<kFull>(p + i, lanes);
  else return Set<T>(*p);
}

template <template <typename> class Op, bool kEqualShapes> struct BinaryLoop {
  template <typename T> struct Of {
    template <bool kXMoves, bool kYMoves> static void Range(const Call& call, const Broadcast<2>& b, Span span) {
      const T *x = In<T>(call, 0), *y = In<T>(call, 1);
      T* z = Out<T>(call, 0);
      const Op<T> op;
      WalkRuns(b, span.begin, span.end, [&](int64_t at, int64_t n, const int64_t* starts) MB_LAMBDA {
        const T *xs = x + starts[0], *ys = y + starts[1];
        T* zs = z + at;
        EachVector<T>(n, [&](int64_t i, auto full, int lanes) MB_LAMBDA {
          constexpr bool kFull = decltype(full)::value;
          StoreLanes<kFull>(zs + i, op(LoadOperand<kXMoves, kFull>(xs, i, lanes), LoadOperand<kYMoves, kFull>(ys, i, lanes)), lanes);
        });
      });
    }
    static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
      const Span span = ItemsOf(call.out[0].size, ElementsPerPiece<Op>(call), begin, end);
      const Broadcast<2> b = JoinAxes<2>(call);
      if constexpr (!kEqualShapes) {
        if (!b.moves(0)) return Range<false, true>(call, b, span);
        if (!b.moves(1)) return Range<true, false>(call, b, span);
      }
      Range<true, true>(call, b, span);
    }
  };
};
template <template <typename> class Op> constexpr Kernel Binary(const char* name) {
  return {name, CheckBroadcast<2>, nullptr, nullptr, ElementwisePieces<Op>, RunFloat<BinaryLoop<Op, false>::template Of>};
}
template <template <typename> class Op> constexpr Kernel EqualShapes(const char* name) {
  return {name, CheckEqualShapes, nullptr, nullptr, ElementwisePieces<Op>, RunFloat<BinaryLoop<Op, true>::template Of>};
}

// ---- where(condition, x, y) ----

template <typename T> struct WhereOp {
  static constexpr int kCost = 1;
};
template <typename T> struct WhereLoop {
  // Bit k of kMoves: input k moves along the innermost axis.
  template <int kMoves> static void Range(const Call& call, const Broadcast<3>& b, Span span) {
    const T *c = In<T>(call, 0), *x = In<T>(call, 1), *y = In<T>(call, 2);
    T* z = Out<T>(call, 0);
    WalkRuns(b, span.begin, span.end, [&](int64_t at, int64_t n, const int64_t* starts) MB_LAMBDA {
      const T *cs = c + starts[0], *xs = x + starts[1], *ys = y + starts[2];
      T* zs = z + at;
      EachVector<T>(n, [&](int64_t i, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Mask<T> chosen = NotEqual(LoadOperand<(kMoves & 1) != 0, kFull>(cs, i, lanes), Zero<T>());
        const Vec<T> yes = LoadOperand<(kMoves & 2) != 0, kFull>(xs, i, lanes);
        const Vec<T> no = LoadOperand<(kMoves & 4) != 0, kFull>(ys, i, lanes);
        StoreLanes<kFull>(zs + i, Select(chosen, yes, no), lanes);
      });
    });
  }
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Span span = ItemsOf(call.out[0].size, ElementsPerPiece<WhereOp>(call), begin, end);
    const Broadcast<3> b = JoinAxes<3>(call);
    constexpr decltype(&Range<0>) kRanges[] = {Range<0>, Range<1>, Range<2>, Range<3>, Range<4>, Range<5>, Range<6>, Range<7>};
    kRanges[(b.moves(0) ? 1 : 0) | (b.moves(1) ? 2 : 0) | (b.moves(2) ? 4 : 0)](call, b, span);
  }
};

// ---- cast ----

// n elements converted to a float type, or copied.
template <typename S, typename T> static void ConvertRun(const S* x, T* y, int64_t n) {
  constexpr int kLanes = Vec<T>::kLanes;
  if constexpr (sizeof(S) == 4 && kDTypeOf<S> == DType::kF32) {
    constexpr int kRead = Vec<float>::kLanes;
    for (int64_t i = 0; i < n; i += kRead) {
      const int m = n - i < kRead ? static_cast<int>(n - i) : kRead;
      VecD low, high;
      Widen(LoadPartial(x + i, m), &low, &high);
      StorePartial(y + i, low, m < kLanes ? m : kLanes);
      if (m > kLanes) StorePartial(y + i + kLanes, high, m - kLanes);
    }
  } else if constexpr (sizeof(S) == 8) {
    constexpr int kRead = Vec<double>::kLanes;
    for (int64_t i = 0; i < n; i += kLanes) {
      const int m = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
      const VecD low = LoadPartial(x + i, m < kRead ? m : kRead);
      const VecD high = m > kRead ? LoadPartial(x + i + kRead, m - kRead) : Zero<double>();
      StorePartial(y + i, Narrow(low, high), m);
    }
  } else {
    EachVector<T>(n, [&](int64_t i, auto full, int lanes) MB_LAMBDA {
      constexpr bool kFull = decltype(full)::value;
      Vec<T> v;
      if constexpr (sizeof(S) == 1) v = kFull ? LoadU8<T>(x + i) : LoadU8Partial<T>(x + i, lanes);
      else v = kFull ? LoadI32<T>(x + i) : LoadI32Partial<T>(x + i, lanes);
      StoreLanes<kFull>(y + i, v, lanes);
    });
  }
}
// Elements `at` to `at + n` of x to y by their dtypes.
static void ConvertElements(const Slice& x, int64_t at, const Slice& y, int64_t to, int64_t n) {
  const char* from = static_cast<const char*>(x.data) + at * BytesOf(x.dtype);
  char* into = static_cast<char*>(y.data) + to * BytesOf(y.dtype);
  if (x.dtype == y.dtype) {
    __builtin_memmove(into, from, static_cast<size_t>(n * BytesOf(x.dtype)));
  } else if (y.dtype == DType::kF32) {
    float* f = reinterpret_cast<float*>(into);
    if (x.dtype == DType::kF64) ConvertRun(reinterpret_cast<const double*>(from), f, n);
    else if (x.dtype == DType::kI32) ConvertRun(reinterpret_cast<const int32_t*>(from), f, n);
    else ConvertRun(reinterpret_cast<const uint8_t*>(from), f, n);
  } else {
    double* d = reinterpret_cast<double*>(into);
    if (x.dtype == DType::kF32) ConvertRun(reinterpret_cast<const float*>(from), d, n);
    else if (x.dtype == DType::kI32) ConvertRun(reinterpret_cast<const int32_t*>(from), d, n);
    else ConvertRun(reinterpret_cast<const uint8_t*>(from), d, n);
  }
}
// Conversions to i32 and u8 truncate and wrap as JavaScript does: left to TypeScript.
static bool Converts(DType from, DType to) { return from == to || IsFloatType(to); }

static const char* CheckCast(const Call& call) {
  if (call.inputs != 1 || call.outputs != 1 || call.attribute_count != 1) return "takes x and a dtype";
  if (call.attributes[0] != static_cast<double>(static_cast<int32_t>(call.out[0].dtype))) return "the result must have the dtype asked for";
  if (!SameShape(call.in[0], call.out[0])) return "the result must have the shape of x";
  return Converts(call.in[0].dtype, call.out[0].dtype) ? nullptr : kUnsupported;
}
static int64_t CastPieces(const Call& call, int32_t) { return CountPieces(call.out[0].size, kPieceElements); }
static void RunCast(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
  const Span span = ItemsOf(call.out[0].size, kPieceElements, begin, end);
  ConvertElements(call.in[0], span.begin, call.out[0], span.begin, span.end - span.begin);
}

static const Kernel kElementwiseKernels[] = {
    Unary<NegOp>("neg"),
    Unary<AbsOp>("abs"),
    Unary<SquareOp>("square"),
    Unary<SqrtOp>("sqrt"),
    Unary<ExpOp>("exp"),
    Unary<LogOp>("log"),
    Unary<SignOp>("sign"),
    Unary<ReluOp>("relu"),
    Unary<TanhOp>("tanh"),
    Unary<SigmoidOp>("sigmoid"),
    Unary<SoftplusOp>("softplus"),
    Unary<SiluOp>("silu"),
    Unary<GeluOp>("gelu"),
    Unary<ErfOp>("erf"),
    Unary<LeakyReluOp>("leakyRelu"),
    Unary<EluOp>("elu"),
    Unary<ClipOp>("clip"),
    Binary<AddOp>("add"),
    Binary<SubOp>("sub"),
    Binary<MulOp>("mul"),
    Binary<DivOp>("div"),
    Binary<PowOp>("pow"),
    Binary<MaximumOp>("maximum"),
    Binary<MinimumOp>("minimum"),
    Binary<EqualOp>("equal"),
    Binary<GreaterOp>("greater"),
    Binary<LessOp>("less"),
    EqualShapes<ReluGradientOp>("reluGradient"),
    EqualShapes<SigmoidCrossEntropyOp>("sigmoidCrossEntropy"),
    {"where", CheckBroadcast<3>, nullptr, nullptr, ElementwisePieces<WhereOp>, RunFloat<WhereLoop>},
    {"cast", CheckCast, nullptr, nullptr, CastPieces, RunCast},
};
