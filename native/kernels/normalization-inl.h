// Batch normalisation of the columns of x [m, n], its gradient and its inference, each with relu fused on demand.
// Few passes over memory: statistics are merged from leaves of eight rows (columns-inl.h) in one pass, never E[x^2] - E[x]^2.
// Few rows are one phase, block of columns by block while it is in the cache.

// ---- passes over a block of columns: four rows at a time, so that the columns' numbers are loaded once for four ----

// y = row(i, j, full, lanes) for rows [0, rows) of a block; kRows vectors of one column vector per call of `columns`.
template <typename T, typename Body> MB_INLINE void EachRowOfBlock(int64_t rows, int64_t columns, const Body& body) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    EachVector<T>(columns, [&](int64_t j, auto full, int lanes) MB_LAMBDA { body.template operator()<4>(i, j, full, lanes); });
  }
  for (; i < rows; i++) {
    EachVector<T>(columns, [&](int64_t j, auto full, int lanes) MB_LAMBDA { body.template operator()<1>(i, j, full, lanes); });
  }
}

// A block of columns of the matrices and vectors of a call; `unit` says where.
template <typename T> MB_INLINE T* At(T* matrix, int64_t stride, const ColumnUnit& u) { return matrix + u.row * stride + u.column; }

// y = act((x - mean) factor + beta), factor = gamma / sqrt(variance + epsilon). x and y may be one.
template <typename T, bool kRelu>
MB_SHARED void NormalizeBlock(const T* x, T* y, int64_t stride, const ColumnUnit& u, const T* mean, const T* variance, const T* gamma, const T* beta,
                              T epsilon, T* factor) {
  EachVector<T>(u.columns, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const Vec<T> spread = Sqrt(Add(LoadLanes<kFull>(variance + u.column + j, lanes), Set<T>(epsilon)));
    Store(factor + j, Div(LoadLanes<kFull>(gamma + u.column + j, lanes), spread));
  });
  const T* from = At(x, stride, u);
  T* to = At(y, stride, u);
  EachRowOfBlock<T>(u.rows, u.columns, [&]<int kRows>(int64_t i, int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const Vec<T> centre = LoadLanes<kFull>(mean + u.column + j, lanes), scale = Load(static_cast<const T*>(factor + j));
    const Vec<T> shift = LoadLanes<kFull>(beta + u.column + j, lanes);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) {
      const int64_t at = (i + r) * stride + j;
      const Vec<T> v = Fma(Sub(LoadLanes<kFull>(from + at, lanes), centre), scale, shift);
      StoreLanes<kFull>(to + at, kRelu ? Relu(v) : v, lanes);
    }
  });
}

// ---- forward ----

// Mean and sum of squared distances of two sides from those of each.
template <typename T> struct MergeMoments {
  MB_OP Terms<T, 2> operator()(const Terms<T, 2>& a, const Terms<T, 2>& b, const Weights<T>& weights) const {
    const Vec<T> distance = Sub(b.v[0], a.v[0]);
    return {{Fma(distance, weights.share, a.v[0]), Fma(Mul(distance, distance), weights.product, Add(a.v[1], b.v[1]))}};
  }
};

// Means of the columns of a block, and factor times the sums of squared distances. Distances are taken from the first row
// of the leaf, then from their mean: a mean far from 0 costs no digits.
template <typename T>
MB_SHARED void MomentsOfBlock(const T* x, int64_t stride, int64_t rows, int64_t columns, T* stack, T* means, T* squares, T factor) {
  const auto leaf = [&](int64_t leaf_index, int64_t count, int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const T* first = x + leaf_index * kLeafRows * stride + j;
    const Vec<T> base = LoadLanes<kFull>(first, lanes);
    Vec<T> mean, sum;
    if (count == kLeafRows) {
      Vec<T> d[kLeafRows];
#pragma GCC unroll kLeafUnroll
      for (int r = 1; r < kLeafRows; r++) d[r] = Sub(LoadLanes<kFull>(first + r * stride, lanes), base);
      sum = Add(Add(Add(d[1], d[2]), Add(d[3], d[4])), Add(Add(d[5], d[6]), d[7]));
      mean = Mul(sum, Set<T>(T(1) / T(kLeafRows)));
      Vec<T> even = Mul(mean, mean), odd = Zero<T>();
#pragma GCC unroll kLeafUnroll
      for (int r = 1; r < kLeafRows; r++) {
        const Vec<T> e = Sub(d[r], mean);
        if (r & 1) odd = Fma(e, e, odd);
        else even = Fma(e, e, even);
      }
      sum = Add(even, odd);
    } else {
      sum = Zero<T>();
      for (int64_t r = 1; r < count; r++) sum = Add(sum, Sub(LoadLanes<kFull>(first + r * stride, lanes), base));
      mean = Div(sum, Set<T>(static_cast<T>(count)));
      sum = Zero<T>();
      for (int64_t r = 0; r < count; r++) {
        const Vec<T> e = Sub(Sub(LoadLanes<kFull>(first + r * stride, lanes), base), mean);
        sum = Fma(e, e, sum);
      }
    }
    return Terms<T, 2>{{Add(base, mean), sum}};
  };
  ReduceTree<T, 2>(rows, kLeafRows, columns, stack, leaf, MergeMoments<T>(), StoreTerms(means, squares, factor));
}

// The same from the moments of chunks [chunks, 2, columns].
template <typename T>
MB_SHARED void MomentsOfChunks(const T* partial, const ColumnGrid& grid, const ColumnUnit& u, T* stack, T* means, T* squares, T factor) {
  ReduceTree<T, 2>(grid.rows, kChunkRows, u.columns, stack, LeafOfChunks(partial + u.column, grid.columns), MergeMoments<T>(),
                   StoreTerms(means + u.column, squares + u.column, factor));
}

static ColumnGrid GridOf(const Call& call) {
  const Slice& x = call.in[0];
  return x.dtype == DType::kF32 ? CutColumns<float>(1, x.shape[0], x.shape[1]) : CutColumns<double>(1, x.shape[0], x.shape[1]);
}
static int64_t NormScratch(const Call& call) {
  const ColumnGrid grid = GridOf(call);
  return grid.chunks > 1 ? grid.chunks * 2 * grid.columns * BytesOf(call.in[0].dtype) : 0;
}
// Statistics, their combination, then the pass that uses them; all at once where every column is in one unit.
static int32_t NormPhases(const Call& call) { return GridOf(call).chunks == 1 ? 1 : 3; }
static int64_t NormPieces(const Call& call, int32_t phase) { return phase == 1 ? 1 : CountUnitPieces(GridOf(call)); }

// The last pass goes backwards: it begins with what the first one left in the cache.
static int64_t InPhase(const ColumnGrid& grid, int32_t phase, int64_t unit) { return phase == 2 ? grid.units() - 1 - unit : unit; }

// The worker's scratch: the tree's stack, then blocks of columns.
template <typename T> struct NormRoom {
  T *stack, *blocks[4];
  explicit NormRoom(Worker& worker) : stack(reinterpret_cast<T*>(worker.scratch)) {
    for (int i = 0; i < 4; i++) blocks[i] = stack + (2 * 56 + i) * kBlockColumns<T>;
  }
};

template <typename T> struct BatchNormLoop {
  static void Run(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
    const ColumnGrid grid = GridOf(call);
    const NormRoom<T> room(worker);
    const int64_t stride = grid.columns;
    const T *x = In<T>(call, 0), *gamma = In<T>(call, 1), *beta = In<T>(call, 2);
    T *y = Out<T>(call, 0), *mean = Out<T>(call, 1), *variance = Out<T>(call, 2);
    T* partial = reinterpret_cast<T*>(call.scratch);  // [chunks, 2, columns]
    const T per_row = static_cast<T>(1.0 / static_cast<double>(grid.rows));
    if (phase == 1) {
      for (int64_t b = 0; b < grid.blocks && grid.chunks > 1; b++) MomentsOfChunks(partial, grid, UnitOf(grid, b), room.stack, mean, variance, per_row);
      return;
    }
    const bool whole = grid.chunks == 1;
    const auto normalize = call.attributes[1] != 0 ? NormalizeBlock<T, true> : NormalizeBlock<T, false>;
    const Span units = ItemsOf(grid.units(), grid.units_per_piece, begin, end);
    for (int64_t unit = units.begin; unit < units.end; unit++) {
      const ColumnUnit u = UnitOf(grid, InPhase(grid, phase, unit));
      if (phase == 0) {
        T* to = partial + u.chunk * 2 * stride;
        MomentsOfBlock(At(x, stride, u), stride, u.rows, u.columns, room.stack, (whole ? mean : to) + u.column, (whole ? variance : to + stride) + u.column,
                       whole ? per_row : T(1));
      }
      if (phase == 2 || whole) normalize(x, y, stride, u, mean, variance, gamma, beta, static_cast<T>(call.attributes[0]), room.blocks[0]);
    }
  }
};

// ---- backward ----

// dx = gamma s (g - dbeta / m - x^ dgamma / m) with s = 1 / sqrt(variance + epsilon), x^ = (x - mean) s,
// g = dy where y > 0 under relu; dgamma = sum g x^, dbeta = sum g.
template <typename T> struct GradientInputs {
  const T *x, *gamma, *mean, *variance, *y, *dy;
  int64_t stride;
};
template <bool kRelu, bool kFull, typename T> MB_INLINE Vec<T> MaskedGradient(const GradientInputs<T>& in, int64_t at, int lanes) {
  const Vec<T> d = LoadLanes<kFull>(in.dy + at, lanes);
  if constexpr (kRelu) return SelectOrZero(Greater(LoadLanes<kFull>(in.y + at, lanes), Zero<T>()), d);
  else return d;
}
// Sums of g and of g (x - mean) down a block.
template <typename T, bool kRelu>
MB_SHARED void GradientSums(const GradientInputs<T>& in, const ColumnUnit& u, T* stack, T* sums, T* products) {
  const int64_t corner = u.row * in.stride + u.column;
  const T* mean = in.mean + u.column;
  const auto term = [&](int64_t row, int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const int64_t at = corner + row * in.stride + j;
    const Vec<T> g = MaskedGradient<kRelu, kFull>(in, at, lanes);
    return Terms<T, 2>{{g, Mul(g, Sub(LoadLanes<kFull>(in.x + at, lanes), LoadLanes<kFull>(mean + j, lanes)))}};
  };
  ReduceTree<T, 2>(u.rows, kLeafRows, u.columns, stack, LeafOfSums<T, 2>(term), AddTerms<T, 2>(), StoreTerms(sums + u.column, products + u.column, T(1)));
}
// dx of a block. factors: three rows of a block of numbers.
template <typename T, bool kRelu>
MB_SHARED void GradientOfBlock(const GradientInputs<T>& in, const ColumnUnit& u, T epsilon, T per_row, const T* dgamma, const T* dbeta, T* const* factors, T* dx) {
  EachVector<T>(u.columns, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const auto column = [&](const T* x) MB_LAMBDA { return LoadLanes<kFull>(x + u.column + j, lanes); };
    const Vec<T> s = Div(Set<T>(1), Sqrt(Add(column(in.variance), Set<T>(epsilon))));
    Store(factors[0] + j, Mul(column(in.gamma), s));
    Store(factors[1] + j, Mul(column(dbeta), Set<T>(per_row)));
    Store(factors[2] + j, Mul(Mul(column(dgamma), Set<T>(per_row)), s));
  });
  const int64_t corner = u.row * in.stride + u.column;
  EachRowOfBlock<T>(u.rows, u.columns, [&]<int kRows>(int64_t i, int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const Vec<T> centre = LoadLanes<kFull>(in.mean + u.column + j, lanes);
    const Vec<T> scale = Load(static_cast<const T*>(factors[0] + j)), shift = Load(static_cast<const T*>(factors[1] + j));
    const Vec<T> slope = Load(static_cast<const T*>(factors[2] + j));
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) {
      const int64_t at = corner + (i + r) * in.stride + j;
      const Vec<T> rest = Fma(Sub(LoadLanes<kFull>(in.x + at, lanes), centre), slope, shift);
      StoreLanes<kFull>(dx + at, Mul(scale, Sub(MaskedGradient<kRelu, kFull>(in, at, lanes), rest)), lanes);
    }
  });
}

template <typename T> struct BatchNormGradientLoop {
  static void Run(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
    const ColumnGrid grid = GridOf(call);
    const NormRoom<T> room(worker);
    const GradientInputs<T> in{In<T>(call, 0), In<T>(call, 1), In<T>(call, 2), In<T>(call, 3), In<T>(call, 4), In<T>(call, 5), grid.columns};
    T *dx = Out<T>(call, 0), *dgamma = Out<T>(call, 1), *dbeta = Out<T>(call, 2);
    T* partial = reinterpret_cast<T*>(call.scratch);  // [chunks, 2, columns]
    const T epsilon = static_cast<T>(call.attributes[0]), per_row = static_cast<T>(1.0 / static_cast<double>(grid.rows));
    const bool relu = call.attributes[1] != 0, whole = grid.chunks == 1;
    // From sums of g (x - mean) to sums of g x^.
    const auto finish = [&](const ColumnUnit& u) {
      const T* variance = in.variance + u.column;
      T* to = dgamma + u.column;
      EachVector<T>(u.columns, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> spread = Sqrt(Add(LoadLanes<kFull>(variance + j, lanes), Set<T>(epsilon)));
        StoreLanes<kFull>(to + j, Div(LoadLanes<kFull>(static_cast<const T*>(to + j), lanes), spread), lanes);
      });
    };
    if (phase == 1) {
      for (int64_t b = 0; b < grid.blocks && !whole; b++) {
        SumChunks(partial, grid, UnitOf(grid, b), room.stack, dbeta, dgamma);
        finish(UnitOf(grid, b));
      }
      return;
    }
    const auto sum = relu ? GradientSums<T, true> : GradientSums<T, false>;
    const auto differentiate = relu ? GradientOfBlock<T, true> : GradientOfBlock<T, false>;
    const Span units = ItemsOf(grid.units(), grid.units_per_piece, begin, end);
    for (int64_t unit = units.begin; unit < units.end; unit++) {
      const ColumnUnit u = UnitOf(grid, InPhase(grid, phase, unit));
      if (phase == 0) {
        T* to = partial + u.chunk * 2 * grid.columns;
        sum(in, u, room.stack, whole ? dbeta : to, whole ? dgamma : to + grid.columns);
        if (whole) finish(u);
      }
      if (phase == 2 || whole) differentiate(in, u, epsilon, per_row, dgamma, dbeta, room.blocks, dx);
    }
  }
};

// ---- inference ----

template <typename T> struct BatchNormInferenceLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const ColumnGrid grid = GridOf(call);
    const NormRoom<T> room(worker);
    const Span units = ItemsOf(grid.units(), grid.units_per_piece, begin, end);
    const auto normalize = call.attributes[1] != 0 ? NormalizeBlock<T, true> : NormalizeBlock<T, false>;
    for (int64_t unit = units.begin; unit < units.end; unit++) {
      normalize(In<T>(call, 0), Out<T>(call, 0), grid.columns, UnitOf(grid, unit), In<T>(call, 3), In<T>(call, 4), In<T>(call, 1), In<T>(call, 2),
                static_cast<T>(call.attributes[0]), room.blocks[0]);
    }
  }
};

// ---- the kernels ----

static const char* CheckMatrix(const Call& call, bool filled) {
  const Slice& x = call.in[0];
  if (x.rank != 2) return "x must be a matrix";
  if (filled && x.size == 0) return "needs at least one row and one column";
  return SameShape(x, call.out[0]) ? nullptr : "the result must have the shape of x";
}
static const char* CheckVectors(const Slice* slices, int count, int64_t n) {
  for (int i = 0; i < count; i++) {
    if (!IsVector(slices[i], n)) return "vectors must have one number per column (or row) of x";
  }
  return nullptr;
}
static const char* CheckBatchNorm(const Call& call) {
  if (const char* wrong = CheckFloats(call, 3, 3, 2)) return wrong;
  if (const char* wrong = CheckMatrix(call, true)) return wrong;
  const int64_t n = call.in[0].shape[1];
  if (const char* wrong = CheckVectors(call.in + 1, 2, n)) return wrong;
  if (const char* wrong = CheckVectors(call.out + 1, 2, n)) return wrong;
  return IsFlagValue(call.attributes[1]) ? nullptr : "activation must be 0 or 1";
}
static const char* CheckBatchNormGradient(const Call& call) {
  if (const char* wrong = CheckFloats(call, 6, 3, 2)) return wrong;
  if (const char* wrong = CheckMatrix(call, true)) return wrong;
  const int64_t n = call.in[0].shape[1];
  if (const char* wrong = CheckVectors(call.in + 1, 3, n)) return wrong;
  if (const char* wrong = CheckVectors(call.out + 1, 2, n)) return wrong;
  if (!SameShape(call.in[4], call.in[0]) || !SameShape(call.in[5], call.in[0])) return "y and dy must have the shape of x";
  return IsFlagValue(call.attributes[1]) ? nullptr : "activation must be 0 or 1";
}
static const char* CheckBatchNormInference(const Call& call) {
  if (const char* wrong = CheckFloats(call, 5, 1, 2)) return wrong;
  if (const char* wrong = CheckMatrix(call, false)) return wrong;
  if (const char* wrong = CheckVectors(call.in + 1, 4, call.in[0].shape[1])) return wrong;
  return IsFlagValue(call.attributes[1]) ? nullptr : "activation must be 0 or 1";
}
static int64_t InferencePieces(const Call& call, int32_t) { return CountUnitPieces(GridOf(call)); }

static const Kernel kNormalizationKernels[] = {
    {"batchNorm", CheckBatchNorm, NormScratch, NormPhases, NormPieces, RunFloat<BatchNormLoop>},
    {"batchNormGradient", CheckBatchNormGradient, NormScratch, NormPhases, NormPieces, RunFloat<BatchNormGradientLoop>},
    {"batchNormInference", CheckBatchNormInference, nullptr, nullptr, InferencePieces, RunFloat<BatchNormInferenceLoop>},
};
