// Softmax and cross-entropy by rows, the count of misclassified rows. The largest number of a row is taken off first,
// so that no exponential overflows.

// ---- rows ----

// The sum of exp(x[j] - largest); each into e, which may lie on x, unless that is null.
template <typename T> MB_SHARED T Exponentials(const T* x, T* e, int64_t k, T largest) {
  const Vec<T> top = Set<T>(largest);
  double total;
  SumVectors<T, 1, 1>(k, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const Vec<T> v = Exp(Sub(LoadLanes<kFull>(x + j, lanes), top));
    if (e != nullptr) StoreLanes<kFull>(e + j, v, lanes);
    return Terms<T, 1>{{kFull ? v : SelectOrZero(FirstLanes<T>(lanes), v)}};
  }, &total);
  return static_cast<T>(total);
}
template <typename T> MB_INLINE void ScaleRow(T* x, int64_t k, T by) {
  EachVector<T>(k, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    StoreLanes<kFull>(x + j, Mul(LoadLanes<kFull>(static_cast<const T*>(x + j), lanes), Set<T>(by)), lanes);
  });
}
template <typename T> MB_INLINE T LogOf(T x) { return FirstLane(Log(Set<T>(x))); }

static int64_t LastAxis(const Slice& x) { return x.shape[x.rank - 1]; }
static int64_t RowCount(const Slice& x) { return LastAxis(x) > 0 ? x.size / LastAxis(x) : 0; }
static int64_t SoftmaxRowsPerPiece(const Slice& x) {
  // A short row costs at least as much as 16 numbers.
  const int64_t width = LastAxis(x) < 16 ? 16 : LastAxis(x);
  return RowsPerPiece(width, x.dtype == DType::kF64 ? 12 : 6);
}
static int64_t SoftmaxPieces(const Call& call, int32_t) { return CountPieces(RowCount(call.in[0]), SoftmaxRowsPerPiece(call.in[0])); }

// ---- softmax(x), logSoftmax(x) ----

static const char* CheckSoftmax(const Call& call) {
  if (const char* wrong = CheckFloats(call, 1, 1, 0)) return wrong;
  if (call.in[0].rank < 1) return "needs at least one axis";
  return SameShape(call.in[0], call.out[0]) ? nullptr : "the result must have the shape of x";
}
template <typename T> struct SoftmaxLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const int64_t k = LastAxis(call.in[0]);
    const Span rows = ItemsOf(RowCount(call.in[0]), SoftmaxRowsPerPiece(call.in[0]), begin, end);
    for (int64_t row = rows.begin; row < rows.end; row++) {
      const T* x = In<T>(call, 0) + row * k;
      T* y = Out<T>(call, 0) + row * k;
      const T total = Exponentials(x, y, k, LargestOf(x, k));
      ScaleRow(y, k, T(1) / total);
    }
  }
};
template <typename T> struct LogSoftmaxLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const int64_t k = LastAxis(call.in[0]);
    const Span rows = ItemsOf(RowCount(call.in[0]), SoftmaxRowsPerPiece(call.in[0]), begin, end);
    for (int64_t row = rows.begin; row < rows.end; row++) {
      const T* x = In<T>(call, 0) + row * k;
      T* y = Out<T>(call, 0) + row * k;
      const T largest = LargestOf(x, k);
      const Vec<T> top = Set<T>(largest);
      const Vec<T> log = Set<T>(LogOf(Exponentials<T>(x, nullptr, k, largest)));
      EachVector<T>(k, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        StoreLanes<kFull>(y + j, Sub(Sub(LoadLanes<kFull>(x + j, lanes), top), log), lanes);
      });
    }
  }
};

// ---- softmaxCrossEntropy(logits, labels) -> losses, probabilities ----

// Labels are classes i32 [m], or a number per class like the outputs [m, k].
static const char* CheckLabels(const Slice& outputs, const Slice& labels) {
  if (outputs.rank != 2) return "outputs must be a matrix";
  if (labels.dtype == DType::kI32) return IsVector(labels, outputs.shape[0]) ? nullptr : "labels must be a class per row";
  return labels.dtype == outputs.dtype && SameShape(labels, outputs) ? nullptr : "labels must be classes in i32 or like the outputs";
}
static const char* CheckCrossEntropy(const Call& call) {
  if (call.inputs != 2 || call.outputs != 2 || call.attribute_count != 0) return "takes logits and labels, gives losses and probabilities";
  const Slice &x = call.in[0], &losses = call.out[0], &probabilities = call.out[1];
  if (losses.dtype != x.dtype || probabilities.dtype != x.dtype) return "inputs and outputs must have one dtype";
  if (!IsFloatType(x.dtype)) return kUnsupported;
  if (const char* wrong = CheckLabels(x, call.in[1])) return wrong;
  return IsVector(losses, x.shape[0]) && SameShape(probabilities, x) ? nullptr : "losses must be [m], probabilities like the logits";
}
template <typename T> struct CrossEntropyLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const Slice& logits = call.in[0];
    const int64_t k = logits.shape[1];
    const bool classes = call.in[1].dtype == DType::kI32;
    T* losses = Out<T>(call, 0);
    const int64_t rows_per_piece = SoftmaxRowsPerPiece(logits);
    const Span rows = ItemsOf(logits.shape[0], rows_per_piece, begin, end);
    constexpr int kLanes = Vec<T>::kLanes;
    // loss = weight log(total) + rest; the logarithms of a vector of rows are taken at once.
    alignas(64) T totals[kLanes], weights[kLanes], rests[kLanes];
    for (int64_t first = rows.begin; first < rows.end; first += kLanes) {
      const int count = rows.end - first < kLanes ? static_cast<int>(rows.end - first) : kLanes;
      for (int i = 0; i < count; i++) {
        const int64_t row = first + i;
        const T* x = In<T>(call, 0) + row * k;
        T* p = Out<T>(call, 1) + row * k;
        if (k == 0) {
          totals[i] = weights[i] = rests[i] = 0;
          if (classes && !InRange(In<int32_t>(call, 1)[row], 0, worker)) return;
          continue;
        }
        const T largest = LargestOf(x, k);
        if (classes) {
          const int32_t label = In<int32_t>(call, 1)[row];
          if (!InRange(label, k, worker)) return;
          weights[i] = 1;
          rests[i] = largest - x[label];
        } else {
          const T* labels = In<T>(call, 1) + row * k;
          const Vec<T> top = Set<T>(largest);
          double sums[2];
          SumVectors<T, 2, 2>(k, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
            constexpr bool kFull = decltype(full)::value;
            const Vec<T> label = LoadLanes<kFull>(labels + j, lanes);
            const Vec<T> product = Mul(label, Sub(top, LoadLanes<kFull>(x + j, lanes)));
            return Terms<T, 2>{{label, kFull ? product : SelectOrZero(FirstLanes<T>(lanes), product)}};
          }, sums);
          weights[i] = static_cast<T>(sums[0]);
          rests[i] = static_cast<T>(sums[1]);
        }
        totals[i] = Exponentials(x, p, k, largest);
        ScaleRow(p, k, T(1) / totals[i]);
      }
      const auto part = [count](const T* lanes) MB_LAMBDA { return LoadPartial(lanes, count); };
      StorePartial(losses + first, Fma(part(weights), Log(part(totals)), part(rests)), count);
    }
  }
};

// ---- softmaxCrossEntropyGradient(probabilities, labels, dlosses) ----

static const char* CheckCrossEntropyGradient(const Call& call) {
  if (call.inputs != 3 || call.outputs != 1 || call.attribute_count != 0) return "takes probabilities, labels and dlosses";
  const Slice &p = call.in[0], &dlosses = call.in[2];
  if (dlosses.dtype != p.dtype || call.out[0].dtype != p.dtype) return "inputs and outputs must have one dtype";
  if (!IsFloatType(p.dtype)) return kUnsupported;
  if (const char* wrong = CheckLabels(p, call.in[1])) return wrong;
  return IsVector(dlosses, p.shape[0]) && SameShape(call.out[0], p) ? nullptr : "dlosses must be [m], the result like the probabilities";
}
template <typename T> struct CrossEntropyGradientLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const int64_t k = call.in[0].shape[1];
    const bool classes = call.in[1].dtype == DType::kI32;
    const Span rows = ItemsOf(RowCount(call.in[0]), SoftmaxRowsPerPiece(call.in[0]), begin, end);
    for (int64_t row = rows.begin; row < rows.end; row++) {
      const T* p = In<T>(call, 0) + row * k;
      T* dx = Out<T>(call, 0) + row * k;
      const T d = In<T>(call, 2)[row];
      if (classes) {
        const int32_t label = In<int32_t>(call, 1)[row];
        if (!InRange(label, k, worker)) return;
        const T right = (p[label] - T(1)) * d;
        EachVector<T>(k, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
          constexpr bool kFull = decltype(full)::value;
          StoreLanes<kFull>(dx + j, Mul(LoadLanes<kFull>(p + j, lanes), Set<T>(d)), lanes);
        });
        dx[label] = right;
        continue;
      }
      const T* labels = In<T>(call, 1) + row * k;
      double total;
      SumVectors<T, 1, 4>(k, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        return Terms<T, 1>{{LoadLanes<decltype(full)::value>(labels + j, lanes)}};
      }, &total);
      const Vec<T> sum = Set<T>(static_cast<T>(total));
      EachVector<T>(k, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> share = Mul(LoadLanes<kFull>(p + j, lanes), sum);
        StoreLanes<kFull>(dx + j, Mul(Sub(share, LoadLanes<kFull>(labels + j, lanes)), Set<T>(d)), lanes);
      });
    }
  }
};

// ---- classificationErrors(outputs, labels) ----

static const char* CheckClassificationErrors(const Call& call) {
  if (call.inputs != 2 || call.outputs != 1 || call.attribute_count != 0) return "takes outputs and labels";
  const Slice& x = call.in[0];
  if (call.out[0].dtype != x.dtype) return "the result must have the dtype of the outputs";
  if (!IsFloatType(x.dtype)) return kUnsupported;
  if (const char* wrong = CheckLabels(x, call.in[1])) return wrong;
  if (x.shape[1] == 0) return kUnsupported;
  return IsVector(call.out[0], x.shape[0]) ? nullptr : "the result must be [m]";
}
template <typename T> struct ClassificationErrorsLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const int64_t k = call.in[0].shape[1];
    const bool classes = call.in[1].dtype == DType::kI32;
    const Span rows = ItemsOf(RowCount(call.in[0]), SoftmaxRowsPerPiece(call.in[0]), begin, end);
    for (int64_t row = rows.begin; row < rows.end; row++) {
      const int64_t guess = ArgMaxOf(In<T>(call, 0) + row * k, k);
      // A label out of range is no class that could be guessed.
      const int64_t label = classes ? In<int32_t>(call, 1)[row] : ArgMaxOf(In<T>(call, 1) + row * k, k);
      Out<T>(call, 0)[row] = guess == label ? T(0) : T(1);
    }
  }
};

static const Kernel kLossKernels[] = {
    {"softmax", CheckSoftmax, nullptr, nullptr, SoftmaxPieces, RunFloat<SoftmaxLoop>},
    {"logSoftmax", CheckSoftmax, nullptr, nullptr, SoftmaxPieces, RunFloat<LogSoftmaxLoop>},
    {"softmaxCrossEntropy", CheckCrossEntropy, nullptr, nullptr, SoftmaxPieces, RunFloat<CrossEntropyLoop>},
    {"softmaxCrossEntropyGradient", CheckCrossEntropyGradient, nullptr, nullptr, SoftmaxPieces, RunFloat<CrossEntropyGradientLoop>},
    {"classificationErrors", CheckClassificationErrors, nullptr, nullptr, SoftmaxPieces, RunFloat<ClassificationErrorsLoop>},
};
