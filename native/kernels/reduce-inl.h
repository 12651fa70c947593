// Sums, means and extremes over a block of axes, the sum of squares, argMax. x is seen as [outer, n, inner]:
// with inner = 1 along contiguous numbers (rows-inl.h), else down columns (columns-inl.h).

enum class Reduction { kSum, kMean, kMax, kMin, kSumSquares };

// ---- along contiguous numbers ----

// A long row is cut into chunks whose results a second phase combines.
constexpr int64_t kRowChunk = 65536;

struct RowCut {
  int64_t rows, n, chunks, chunk, units_per_piece;
};
static RowCut CutRows(int64_t rows, int64_t n) {
  RowCut cut{rows, n, 1, n, 1};
  if (n > 3 * kRowChunk) {
    cut.chunk = kRowChunk;
    cut.chunks = (n + kRowChunk - 1) / kRowChunk;
  }
  cut.units_per_piece = RowsPerPiece(cut.chunk, 1);
  return cut;
}

// A mean is a sum, divided at the end.
constexpr Reduction Undivided(Reduction kind) { return kind == Reduction::kMean ? Reduction::kSum : kind; }

template <Reduction kKind, typename T> MB_SHARED double ReduceRun(const T* x, int64_t n) {
  if constexpr (kKind == Reduction::kMax) {
    return static_cast<double>(LargestOf(x, n));
  } else if constexpr (kKind == Reduction::kMin) {
    return static_cast<double>(SmallestOf(x, n));
  } else {
    double total;
    SumVectors<T, 1, 4>(n, [&](int64_t i, auto full, int lanes) MB_LAMBDA {
      const Vec<T> v = LoadLanes<decltype(full)::value>(x + i, lanes);
      if constexpr (kKind == Reduction::kSumSquares) return Terms<T, 1>{{Mul(v, v)}};
      else return Terms<T, 1>{{v}};
    }, &total);
    return total;
  }
}
template <Reduction kKind> static double CombineRuns(const double* runs, int64_t count, int64_t n) {
  double total = runs[0];
  if constexpr (kKind == Reduction::kMax || kKind == Reduction::kMin) {
    for (int64_t i = 1; i < count; i++) {
      const double x = runs[i];
      if (total == total && (x != x || (kKind == Reduction::kMax ? x > total : x < total))) total = x;
    }
    return total;
  } else {
    if (count > 1) {
      PairwiseSum sum;
      for (int64_t i = 0; i < count; i++) sum.Push(runs[i]);
      total = sum.Total();
    }
    return kKind == Reduction::kMean ? total / static_cast<double>(n) : total;
  }
}

template <Reduction kKind, typename T> static void ReduceRows(const Call& call, const RowCut& cut, int32_t phase, int64_t begin, int64_t end) {
  const T* x = In<T>(call, 0);
  T* y = Out<T>(call, 0);
  double* partial = reinterpret_cast<double*>(call.scratch);
  if (phase == 1) {
    for (int64_t row = 0; row < cut.rows; row++) y[row] = static_cast<T>(CombineRuns<kKind>(partial + row * cut.chunks, cut.chunks, cut.n));
    return;
  }
  const Span units = ItemsOf(cut.rows * cut.chunks, cut.units_per_piece, begin, end);
  for (int64_t unit = units.begin; unit < units.end; unit++) {
    const int64_t row = unit / cut.chunks, first = unit % cut.chunks * cut.chunk;
    const int64_t count = cut.n - first < cut.chunk ? cut.n - first : cut.chunk;
    const double result = ReduceRun<Undivided(kKind)>(x + row * cut.n + first, count);
    if (cut.chunks > 1) partial[unit] = result;
    else y[row] = static_cast<T>(CombineRuns<kKind>(&result, 1, cut.n));
  }
}

// ---- down columns ----

template <Reduction kKind, typename T> struct CombineColumns {
  MB_OP Terms<T, 1> operator()(const Terms<T, 1>& a, const Terms<T, 1>& b, const Weights<T>&) const {
    if constexpr (kKind == Reduction::kMax) return {{Max(a.v[0], b.v[0])}};
    else if constexpr (kKind == Reduction::kMin) return {{Min(a.v[0], b.v[0])}};
    else return {{Add(a.v[0], b.v[0])}};
  }
};

// One block of columns of a matrix with this row stride, into out.
template <Reduction kKind, typename T>
MB_SHARED void ReduceColumnBlock(const T* x, int64_t stride, int64_t rows, int64_t columns, T* out, T* stack) {
  constexpr bool kExtreme = kKind == Reduction::kMax || kKind == Reduction::kMin;
  const CombineColumns<kKind, T> combine;
  const auto term = [&](int64_t row, int64_t j, auto full, int lanes) MB_LAMBDA {
    return Terms<T, 1>{{LoadLanes<decltype(full)::value>(x + row * stride + j, lanes)}};
  };
  const auto result = [&](int64_t j, auto full, int lanes, const Terms<T, 1>& terms) MB_LAMBDA {
    StoreLanes<decltype(full)::value>(out + j, terms.v[0], lanes);
  };
  if constexpr (kExtreme) {
    const auto leaf = [&](int64_t i, int64_t count, int64_t j, auto full, int lanes) MB_LAMBDA {
      Terms<T, 1> best = term(i * kLeafRows, j, full, lanes);
      for (int64_t r = 1; r < count; r++) best = combine(best, term(i * kLeafRows + r, j, full, lanes), Weights<T>{});
      return best;
    };
    ReduceTree<T, 1>(rows, kLeafRows, columns, stack, leaf, combine, result);
  } else {
    ReduceTree<T, 1>(rows, kLeafRows, columns, stack, LeafOfSums<T, 1>(term), combine, result);
  }
}

template <Reduction kKind, typename T>
static void ReduceColumns(const Call& call, const Split& split, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
  const ColumnGrid grid = CutColumns<T>(split.outer, split.n, split.inner);
  const T* x = In<T>(call, 0);
  T* y = Out<T>(call, 0);
  T* partial = reinterpret_cast<T*>(call.scratch);  // [outer, chunks, inner]
  T* stack = reinterpret_cast<T*>(worker.scratch);
  const auto reduce = [&](const T* from, int64_t rows, const ColumnUnit& u, T* to, bool last) {
    ReduceColumnBlock<Undivided(kKind)>(from + u.column, grid.columns, rows, u.columns, to + u.column, stack);
    if (kKind == Reduction::kMean && last) {
      for (int64_t j = u.column; j < u.column + u.columns; j++) to[j] /= static_cast<T>(split.n);
    }
  };
  if (phase == 1) {
    for (int64_t o = 0; o < grid.outer; o++) {
      for (int64_t b = 0; b < grid.blocks; b++) {
        reduce(partial + o * grid.chunks * grid.columns, grid.chunks, UnitOf(grid, b), y + o * grid.columns, true);
      }
    }
    return;
  }
  const Span units = ItemsOf(grid.units(), grid.units_per_piece, begin, end);
  for (int64_t unit = units.begin; unit < units.end; unit++) {
    const ColumnUnit u = UnitOf(grid, unit);
    T* out = grid.chunks > 1 ? partial + (u.outer * grid.chunks + u.chunk) * grid.columns : y + u.outer * grid.columns;
    reduce(x + (u.outer * grid.rows + u.row) * grid.columns, u.rows, u, out, grid.chunks == 1);
  }
}

// ---- the kernels ----

template <Reduction kKind> static Split SplitOf(const Call& call) {
  if (kKind == Reduction::kSumSquares) return {1, call.in[0].size, 1};
  return SplitAt(call.in[0], static_cast<int64_t>(call.attributes[0]), static_cast<int64_t>(call.attributes[1]));
}

template <Reduction kKind> static const char* CheckReduce(const Call& call) {
  if (const char* wrong = CheckFloats(call, 1, 1, kKind == Reduction::kSumSquares ? 0 : 3)) return wrong;
  if (kKind != Reduction::kSumSquares) {
    const int64_t rank = call.in[0].rank;
    if (!IsWholeIn(call.attributes[0], 0, rank) || !IsWholeIn(call.attributes[1], 0, rank)) return "axis and count must lie inside the rank";
    if (call.attributes[0] + call.attributes[1] > static_cast<double>(rank)) return "axis and count must lie inside the rank";
  }
  const Split s = SplitOf<kKind>(call);
  if (call.out[0].size != s.outer * s.inner) return "the result must have the size of x without the axes";
  if (s.n == 0 && (kKind == Reduction::kMax || kKind == Reduction::kMin)) return "there must be at least one number to choose from";
  return nullptr;
}
static bool NothingToReduce(const Split& s) { return s.n == 0 || s.outer == 0 || s.inner == 0; }

template <Reduction kKind> static int64_t ReduceScratch(const Call& call) {
  const Split s = SplitOf<kKind>(call);
  if (NothingToReduce(s)) return 0;
  if (s.inner == 1) {
    const RowCut cut = CutRows(s.outer, s.n);
    return cut.chunks > 1 ? cut.rows * cut.chunks * 8 : 0;
  }
  const bool f32 = call.out[0].dtype == DType::kF32;
  const ColumnGrid grid = f32 ? CutColumns<float>(s.outer, s.n, s.inner) : CutColumns<double>(s.outer, s.n, s.inner);
  return grid.chunks > 1 ? grid.outer * grid.chunks * grid.columns * (f32 ? 4 : 8) : 0;
}
template <Reduction kKind> static int32_t ReducePhases(const Call& call) { return ReduceScratch<kKind>(call) > 0 ? 2 : 1; }
template <Reduction kKind> static int64_t ReducePieces(const Call& call, int32_t phase) {
  const Split s = SplitOf<kKind>(call);
  if (phase == 1 || NothingToReduce(s)) return 1;
  if (s.inner == 1) {
    const RowCut cut = CutRows(s.outer, s.n);
    return CountPieces(cut.rows * cut.chunks, cut.units_per_piece);
  }
  return CountUnitPieces(call.out[0].dtype == DType::kF32 ? CutColumns<float>(s.outer, s.n, s.inner) : CutColumns<double>(s.outer, s.n, s.inner));
}

template <Reduction kKind> struct ReduceLoop {
  template <typename T> struct Of {
    static void Run(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
      const Split s = SplitOf<kKind>(call);
      if (NothingToReduce(s)) {
        const T empty = kKind == Reduction::kMean ? MathConstants<T>::kNan : T(0);
        for (int64_t i = 0; i < call.out[0].size; i++) Out<T>(call, 0)[i] = empty;
      } else if (s.inner == 1) {
        ReduceRows<kKind, T>(call, CutRows(s.outer, s.n), phase, begin, end);
      } else {
        if constexpr (kKind != Reduction::kSumSquares) ReduceColumns<kKind, T>(call, s, phase, begin, end, worker);
      }
    }
  };
};
template <Reduction kKind> constexpr Kernel Reduce(const char* name) {
  return {name, CheckReduce<kKind>, ReduceScratch<kKind>, ReducePhases<kKind>, ReducePieces<kKind>, RunFloat<ReduceLoop<kKind>::template Of>};
}

// ---- argMax ----

static const char* CheckArgMax(const Call& call) {
  if (call.inputs != 1 || call.outputs != 1 || call.attribute_count != 1) return "takes x and an axis";
  if (call.out[0].dtype != DType::kI32) return "the result must be i32";
  if (!IsFloatType(call.in[0].dtype)) return kUnsupported;
  if (!IsWholeIn(call.attributes[0], 0, call.in[0].rank - 1)) return "axis must lie inside the rank";
  const Split s = SplitAt(call.in[0], static_cast<int64_t>(call.attributes[0]), 1);
  if (s.n == 0) return "there must be at least one number to choose from";
  if (s.n > INT32_MAX) return kUnsupported;
  return call.out[0].size == s.outer * s.inner ? nullptr : "the result must have the size of x without the axis";
}
static int64_t ArgMaxPieces(const Call& call, int32_t) {
  const Split s = SplitAt(call.in[0], static_cast<int64_t>(call.attributes[0]), 1);
  return CountPieces(s.outer, RowsPerPiece(s.n * s.inner, 2));
}
template <typename T> static void ArgMaxRows(const Call& call, const Split& s, Span outer) {
  const T* x = In<T>(call, 0);
  int32_t* y = Out<int32_t>(call, 0);
  if (s.inner == 1) {
    for (int64_t o = outer.begin; o < outer.end; o++) y[o] = static_cast<int32_t>(ArgMaxOf(x + o * s.n, s.n));
    return;
  }
  constexpr int64_t kColumns = 256;
  T best[kColumns];
  for (int64_t o = outer.begin; o < outer.end; o++) {
    for (int64_t j = 0; j < s.inner; j += kColumns) {
      const int64_t count = s.inner - j < kColumns ? s.inner - j : kColumns;
      int32_t* at = y + o * s.inner + j;
      const T* row = x + o * s.n * s.inner + j;
      for (int64_t c = 0; c < count; c++) {
        best[c] = row[c];
        at[c] = 0;
      }
      for (int64_t i = 1; i < s.n; i++) {
        row += s.inner;
        for (int64_t c = 0; c < count; c++) {
          const bool better = best[c] == best[c] && !(row[c] <= best[c]);  // NaN is neither below nor equal
          best[c] = better ? row[c] : best[c];
          at[c] = better ? static_cast<int32_t>(i) : at[c];
        }
      }
    }
  }
}
static void RunArgMax(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
  const Split s = SplitAt(call.in[0], static_cast<int64_t>(call.attributes[0]), 1);
  const Span outer = ItemsOf(s.outer, RowsPerPiece(s.n * s.inner, 2), begin, end);
  if (call.in[0].dtype == DType::kF32) ArgMaxRows<float>(call, s, outer);
  else ArgMaxRows<double>(call, s, outer);
}

static const Kernel kReduceKernels[] = {
    Reduce<Reduction::kSum>("sum"),
    Reduce<Reduction::kMean>("mean"),
    Reduce<Reduction::kMax>("max"),
    Reduce<Reduction::kMin>("min"),
    Reduce<Reduction::kSumSquares>("sumSquares"),
    {"argMax", CheckArgMax, nullptr, nullptr, ArgMaxPieces, RunArgMax},
};
