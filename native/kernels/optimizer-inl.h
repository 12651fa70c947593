// Updates of whole segments of parameters, one pass over memory each: theta and the slots are read and written once.
// Outputs may lie on their inputs. Scalars are read when the call runs; formulas as in src/ops/optimizer.ts.

// An update has theta, g and kSlots slots, then kScalars numbers; it gives theta, the slots and the sum of g^2.
//   Update<T>(scalars, attributes), then operator()(theta, g, slots) which changes theta and slots.
template <typename Shape> static const char* CheckUpdate(const Call& call) {
  if (const char* wrong = CheckFloats(call, 2 + Shape::kSlots + Shape::kScalars, 2 + Shape::kSlots, Shape::kAttributes)) return wrong;
  for (int i = 1; i < 2 + Shape::kSlots; i++) {
    if (!SameShape(call.in[i], call.in[0])) return "the gradient and the slots must have the shape of theta";
  }
  for (int i = 0; i < Shape::kScalars; i++) {
    if (call.in[2 + Shape::kSlots + i].size != 1) return "rates and corrections must be one number";
  }
  for (int i = 0; i < 1 + Shape::kSlots; i++) {
    if (!SameShape(call.out[i], call.in[0])) return "the results must have the shape of theta";
  }
  return call.out[1 + Shape::kSlots].size == 1 ? nullptr : "the sum of squares must be one number";
}
// Some 20 to 28 bytes move per element, and a root and a division are taken: about 5 microseconds.
constexpr int64_t kUpdateElements = kPieceElements;
static int64_t CountUpdates(const Call& call) { return CountPieces(call.out[0].size, kUpdateElements); }
// Several pieces leave their sums of squares in the call's scratch, and a second phase adds them.
static int64_t UpdateScratch(const Call& call) { return CountUpdates(call) > 1 ? CountUpdates(call) * static_cast<int64_t>(sizeof(double)) : 0; }
static int32_t UpdatePhases(const Call& call) { return CountUpdates(call) > 1 ? 2 : 1; }
static int64_t UpdatePieces(const Call& call, int32_t phase) { return phase == 0 ? CountUpdates(call) : 1; }

template <template <typename> class Update> struct UpdateLoop {
  template <typename T> struct Of {
    static constexpr int kSlots = Update<T>::kSlots, kScalars = Update<T>::kScalars;

    // Updates the elements of a span; the sum of the squares of their gradients.
    static double UpdateSpan(const Call& call, const Update<T>& update, Span span) {
      const T *theta = In<T>(call, 0) + span.begin, *g = In<T>(call, 1) + span.begin;
      T* theta_out = Out<T>(call, 0) + span.begin;
      const T* slots[kSlots + 1];
      T* slots_out[kSlots + 1];
      for (int s = 0; s < kSlots; s++) {
        slots[s] = In<T>(call, 2 + s) + span.begin;
        slots_out[s] = Out<T>(call, 1 + s) + span.begin;
      }
      double squares;
      SumVectors<T, 1, 1>(span.end - span.begin, [&](int64_t i, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        Vec<T> now[kSlots + 1];
#pragma GCC unroll 2
        for (int s = 0; s < kSlots; s++) now[s] = LoadLanes<kFull>(slots[s] + i, lanes);
        Vec<T> parameters = LoadLanes<kFull>(theta + i, lanes);
        const Vec<T> gradient = LoadLanes<kFull>(g + i, lanes);
        update(parameters, gradient, now);
        StoreLanes<kFull>(theta_out + i, parameters, lanes);
#pragma GCC unroll 2
        for (int s = 0; s < kSlots; s++) StoreLanes<kFull>(slots_out[s] + i, now[s], lanes);
        return Terms<T, 1>{{Mul(gradient, gradient)}};
      }, &squares);
      return squares;
    }

    static void Run(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker&) {
      const int64_t pieces = CountUpdates(call);
      double* partial = reinterpret_cast<double*>(call.scratch);
      T* squares = Out<T>(call, 1 + kSlots);
      if (phase == 1) {
        PairwiseSum sum;
        for (int64_t piece = 0; piece < pieces; piece++) sum.Push(partial[piece]);
        *squares = static_cast<T>(sum.Total());
        return;
      }
      double scalars[kScalars];
      for (int i = 0; i < kScalars; i++) scalars[i] = static_cast<double>(*In<T>(call, 2 + kSlots + i));
      const Update<T> update(scalars, call.attributes);
      for (int64_t piece = begin; piece < end; piece++) {
        const double sum = UpdateSpan(call, update, ItemsOf(call.out[0].size, kUpdateElements, piece, piece + 1));
        if (pieces > 1) partial[piece] = sum;
        else *squares = static_cast<T>(sum);
      }
    }
  };
};
template <template <typename> class Update> constexpr Kernel UpdateKernel(const char* name) {
  return {name, CheckUpdate<Update<float>>, UpdateScratch, UpdatePhases, UpdatePieces, RunFloat<UpdateLoop<Update>::template Of>};
}

// The root of a mean square with its epsilon, inside or beside, without a branch: one of the two is 0.
template <typename T> struct RootWith {
  Vec<T> inner, outer;
  RootWith(double epsilon, bool inside) : inner(Set<T>(static_cast<T>(inside ? epsilon : 0))), outer(Set<T>(static_cast<T>(inside ? 0 : epsilon))) {}
  MB_OP Vec<T> operator()(Vec<T> square) const { return Add(Sqrt(Add(square, inner)), outer); }
};

// theta' = theta - lr g
template <typename T> struct SgdUpdate {
  static constexpr int kSlots = 0, kScalars = 1, kAttributes = 0;
  Vec<T> lr;
  SgdUpdate(const double* scalars, const double*) : lr(Set<T>(static_cast<T>(scalars[0]))) {}
  MB_OP void operator()(Vec<T>& theta, Vec<T> g, Vec<T>*) const { theta = Fnma(lr, g, theta); }
};

// v' = beta v + gain g, theta' = theta - lr (nesterov ? beta v' + gain g : v') {beta, gain, nesterov}
template <typename T> struct MomentumUpdate {
  static constexpr int kSlots = 1, kScalars = 1, kAttributes = 3;
  Vec<T> lr, beta, gain, ahead_v, ahead_g;
  MomentumUpdate(const double* scalars, const double* a)
      : lr(Set<T>(static_cast<T>(scalars[0]))),
        beta(Set<T>(static_cast<T>(a[0]))),
        gain(Set<T>(static_cast<T>(a[1]))),
        ahead_v(Set<T>(static_cast<T>(a[2] != 0 ? a[0] : 1))),
        ahead_g(Set<T>(static_cast<T>(a[2] != 0 ? 1 : 0))) {}
  MB_OP void operator()(Vec<T>& theta, Vec<T> g, Vec<T>* v) const {
    const Vec<T> push = Mul(gain, g);
    v[0] = Fma(beta, v[0], push);
    theta = Fnma(lr, Fma(ahead_v, v[0], Mul(ahead_g, push)), theta);
  }
};

// s' = beta2 s + (1 - beta2) g^2, theta' = theta - lr g / root(s') {beta2, epsilon, inside}
template <typename T> struct RmspropUpdate {
  static constexpr int kSlots = 1, kScalars = 1, kAttributes = 3;
  Vec<T> lr, beta2, rest2;
  RootWith<T> root;
  RmspropUpdate(const double* scalars, const double* a)
      : lr(Set<T>(static_cast<T>(scalars[0]))), beta2(Set<T>(static_cast<T>(a[0]))), rest2(Set<T>(static_cast<T>(1 - a[0]))), root(a[1], a[2] != 0) {}
  MB_OP void operator()(Vec<T>& theta, Vec<T> g, Vec<T>* s) const {
    s[0] = Fma(beta2, s[0], Mul(Mul(rest2, g), g));
    theta = Sub(theta, Div(Mul(lr, g), root(s[0])));
  }
};

// s' = s + g^2, theta' = theta - lr g / root(s') {epsilon, inside}
template <typename T> struct AdagradUpdate {
  static constexpr int kSlots = 1, kScalars = 1, kAttributes = 2;
  Vec<T> lr;
  RootWith<T> root;
  AdagradUpdate(const double* scalars, const double* a) : lr(Set<T>(static_cast<T>(scalars[0]))), root(a[0], a[1] != 0) {}
  MB_OP void operator()(Vec<T>& theta, Vec<T> g, Vec<T>* s) const {
    s[0] = Fma(g, g, s[0]);
    theta = Sub(theta, Div(Mul(lr, g), root(s[0])));
  }
};

// m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2,
// theta' = theta (1 - lr weightDecay) - lr (m' / correction1) / root(v' / correction2) {beta1, beta2, epsilon, inside, weightDecay}
// The divisions by corrections are products with their inverses, taken once: one division and one root per element are left.
template <typename T> struct AdamUpdate {
  static constexpr int kSlots = 2, kScalars = 3, kAttributes = 5;
  Vec<T> beta1, rest1, beta2, rest2, rate, inverse2, shrink;
  RootWith<T> root;
  AdamUpdate(const double* scalars, const double* a)
      : beta1(Set<T>(static_cast<T>(a[0]))),
        rest1(Set<T>(static_cast<T>(1 - a[0]))),
        beta2(Set<T>(static_cast<T>(a[1]))),
        rest2(Set<T>(static_cast<T>(1 - a[1]))),
        rate(Set<T>(static_cast<T>(scalars[0] / scalars[1]))),
        inverse2(Set<T>(static_cast<T>(1 / scalars[2]))),
        shrink(Set<T>(static_cast<T>(1 - scalars[0] * a[4]))),
        root(a[2], a[3] != 0) {}
  MB_OP void operator()(Vec<T>& theta, Vec<T> g, Vec<T>* slots) const {
    slots[0] = Fma(beta1, slots[0], Mul(rest1, g));
    slots[1] = Fma(beta2, slots[1], Mul(Mul(rest2, g), g));
    theta = Fma(theta, shrink, Neg(Div(Mul(rate, slots[0]), root(Mul(slots[1], inverse2)))));
  }
};

static const Kernel kOptimizerKernels[] = {
    UpdateKernel<SgdUpdate>("sgdUpdate"),
    UpdateKernel<MomentumUpdate>("momentumUpdate"),
    UpdateKernel<RmspropUpdate>("rmspropUpdate"),
    UpdateKernel<AdagradUpdate>("adagradUpdate"),
    UpdateKernel<AdamUpdate>("adamUpdate"),
};
