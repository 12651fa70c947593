// Batch normalisation of the columns of x [m, n], its gradient and its inference, each with relu fused on demand.
// Few passes over memory: statistics are merged from leaves of eight rows (columns-inl.h) in one pass, never E[x^2] - E[x]^2.
// Little work is one phase of one piece, block of columns by block while it is in the cache.

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
static void NormalizeBlock(const T* x, T* y, int64_t stride, const ColumnUnit& u, const T* mean, const T* variance, const T* gamma, const T* beta,
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

// Moments of the rows of a block. Distances are taken from the first row of the leaf, then from their mean: a mean far
// from 0 costs no digits.
template <typename T, typename Result>
static inline void MomentsOfBlock(const T* x, int64_t stride, int64_t rows, int64_t columns, T* stack, const Result& result) {
  const auto leaf = [&](int64_t leaf_index, int64_t count, int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const T* first = x + leaf_index * kLeafRows * stride + j;
    const Vec<T> base = LoadLanes<kFull>(first, lanes);
    if (count == kLeafRows) {
      Vec<T> d[kLeafRows];
#pragma GCC unroll 8
      for (int r = 1; r < kLeafRows; r++) d[r] = Sub(LoadLanes<kFull>(first + r * stride, lanes), base);
      const Vec<T> sum = Add(Add(Add(d[1], d[2]), Add(d[3], d[4])), Add(Add(d[5], d[6]), d[7]));
      const Vec<T> mean = Mul(sum, Set<T>(T(1) / T(kLeafRows)));
      Vec<T> squares = Mul(mean, mean), others = Zero<T>();
#pragma GCC unroll 8
      for (int r = 1; r < kLeafRows; r++) {
        const Vec<T> e = Sub(d[r], mean);
        if (r & 1) others = Fma(e, e, others);
        else squares = Fma(e, e, squares);
      }
      return Terms<T, 2>{{Add(base, mean), Add(squares, others)}};
    }
    Vec<T> sum = Zero<T>();
    for (int64_t r = 1; r < count; r++) sum = Add(sum, Sub(LoadLanes<kFull>(first + r * stride, lanes), base));
    const Vec<T> mean = Div(sum, Set<T>(static_cast<T>(count)));
    Vec<T> squares = Zero<T>();
    for (int64_t r = 0; r < count; r++) {
      const Vec<T> e = Sub(Sub(LoadLanes<kFull>(first + r * stride, lanes), base), mean);
      squares = Fma(e, e, squares);
    }
    return Terms<T, 2>{{Add(base, mean), squares}};
  };
  ReduceTree<T, 2>(rows, kLeafRows, columns, stack, leaf, MergeMoments<T>(), result);
}

// Moments of a block from those of its chunks [chunks, 2, columns], chunks of kChunkRows rows but the last.
template <typename T, typename Result>
static inline void MomentsOfChunks(const T* partial, const ColumnGrid& grid, const ColumnUnit& u, T* stack, const Result& result) {
  const auto leaf = [&](int64_t chunk, int64_t, int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const T* p = partial + chunk * 2 * grid.columns + u.column + j;
    return Terms<T, 2>{{LoadLanes<kFull>(p, lanes), LoadLanes<kFull>(p + grid.columns, lanes)}};
  };
  ReduceTree<T, 2>(grid.rows, kChunkRows, u.columns, stack, leaf, MergeMoments<T>(), result);
}

static ColumnGrid GridOf(const Call& call) {
  const Slice& x = call.in[0];
  return x.dtype == DType::kF32 ? CutColumns<float>(1, x.shape[0], x.shape[1]) : CutColumns<double>(1, x.shape[0], x.shape[1]);
}
// One piece: all phases at once.
static bool IsSmall(const ColumnGrid& grid) { return grid.chunks == 1 && CountUnitPieces(grid) == 1; }
static int64_t NormScratch(const Call& call) {
  const ColumnGrid grid = GridOf(call);
  return grid.chunks > 1 ? grid.chunks * 2 * grid.columns * BytesOf(call.in[0].dtype) : 0;
}
// Statistics, their combination, then the pass that uses them.
static int32_t NormPhases(const Call& call) { return IsSmall(GridOf(call)) ? 1 : 3; }
static int64_t NormPieces(const Call& call, int32_t phase) { return phase == 1 ? 1 : CountUnitPieces(GridOf(call)); }

// The worker's scratch: the tree's stack, then blocks of columns.
template <typename T> struct NormRoom {
  T *stack, *blocks[4];
  explicit NormRoom(Worker& worker) : stack(reinterpret_cast<T*>(worker.scratch)) {
    for (int i = 0; i < 4; i++) blocks[i] = stack + (2 * 56 + i) * kBlockColumns<T>;
  }
};

template <typename T> struct BatchNormLoop {
  template <bool kRelu> static void RunAs(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
    const ColumnGrid grid = GridOf(call);
    const NormRoom<T> room(worker);
    const int64_t stride = grid.columns;
    const T *x = In<T>(call, 0), *gamma = In<T>(call, 1), *beta = In<T>(call, 2);
    T *y = Out<T>(call, 0), *mean = Out<T>(call, 1), *variance = Out<T>(call, 2);
    T* partial = reinterpret_cast<T*>(call.scratch);
    const Vec<T> per_row = Set<T>(static_cast<T>(1.0 / static_cast<double>(grid.rows)));
    const auto finish = [&](const ColumnUnit& u) MB_LAMBDA {
      return [&, column = u.column](int64_t j, auto full, int lanes, const Terms<T, 2>& moments) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        StoreLanes<kFull>(mean + column + j, moments.v[0], lanes);
        StoreLanes<kFull>(variance + column + j, Mul(moments.v[1], per_row), lanes);
      };
    };
    const auto normalize = [&](const ColumnUnit& u) MB_LAMBDA {
      NormalizeBlock<T, kRelu>(x, y, stride, u, mean, variance, gamma, beta, static_cast<T>(call.attributes[0]), room.blocks[0]);
    };
    if (phase == 1) {
      if (grid.chunks == 1) return;
      for (int64_t b = 0; b < grid.blocks; b++) {
        const ColumnUnit u = UnitOf(grid, b);
        MomentsOfChunks<T>(partial, grid, u, room.stack, finish(u));
      }
      return;
    }
    const bool small = IsSmall(grid);
    const Span units = ItemsOf(grid.units(), grid.units_per_piece, begin, end);
    for (int64_t unit = units.begin; unit < units.end; unit++) {
      const ColumnUnit u = UnitOf(grid, unit);
      if (phase == 0 && grid.chunks == 1) {
        MomentsOfBlock<T>(At(x, stride, u), stride, u.rows, u.columns, room.stack, finish(u));
      } else if (phase == 0) {
        T* to = partial + u.chunk * 2 * stride + u.column;
        MomentsOfBlock<T>(At(x, stride, u), stride, u.rows, u.columns, room.stack, [&](int64_t j, auto full, int lanes, const Terms<T, 2>& moments) MB_LAMBDA {
          constexpr bool kFull = decltype(full)::value;
          StoreLanes<kFull>(to + j, moments.v[0], lanes);
          StoreLanes<kFull>(to + stride + j, moments.v[1], lanes);
        });
      }
      if (phase == 2 || small) normalize(u);
    }
  }
  static void Run(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
    if (call.attributes[1] != 0) RunAs<true>(call, phase, begin, end, worker);
    else RunAs<false>(call, phase, begin, end, worker);
  }
};

// ---- backward ----

// dx = gamma s (g - dbeta / m - x^ dgamma / m) with s = 1 / sqrt(variance + epsilon), x^ = (x - mean) s,
// g = dy where y > 0 under relu; dgamma = sum g x^, dbeta = sum g.
template <typename T> struct BatchNormGradientLoop {
  template <bool kRelu> static void RunAs(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
    const ColumnGrid grid = GridOf(call);
    const NormRoom<T> room(worker);
    const int64_t stride = grid.columns;
    const T *x = In<T>(call, 0), *gamma = In<T>(call, 1), *mean = In<T>(call, 2), *variance = In<T>(call, 3), *y = In<T>(call, 4), *dy = In<T>(call, 5);
    T *dx = Out<T>(call, 0), *dgamma = Out<T>(call, 1), *dbeta = Out<T>(call, 2);
    T* partial = reinterpret_cast<T*>(call.scratch);  // [chunks, 2, columns]: sums of g and of g (x - mean)
    const Vec<T> epsilon = Set<T>(static_cast<T>(call.attributes[0]));
    const auto inverse = [&](int64_t column, auto full, int lanes) MB_LAMBDA {
      return Div(Set<T>(1), Sqrt(Add(LoadLanes<decltype(full)::value>(variance + column, lanes), epsilon)));
    };
    const auto finish = [&](const ColumnUnit& u) MB_LAMBDA {
      return [&, first = u.column](int64_t j, auto full, int lanes, const Terms<T, 2>& sums) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        StoreLanes<kFull>(dbeta + first + j, sums.v[0], lanes);
        StoreLanes<kFull>(dgamma + first + j, Mul(sums.v[1], inverse(first + j, full, lanes)), lanes);
      };
    };
    const auto upstream = [&](int64_t at, auto full, int lanes) MB_LAMBDA {
      constexpr bool kFull = decltype(full)::value;
      const Vec<T> d = LoadLanes<kFull>(dy + at, lanes);
      if constexpr (kRelu) return SelectOrZero(Greater(LoadLanes<kFull>(y + at, lanes), Zero<T>()), d);
      else return d;
    };
    if (phase == 1) {
      if (grid.chunks == 1) return;
      for (int64_t b = 0; b < grid.blocks; b++) {
        const ColumnUnit u = UnitOf(grid, b);
        const auto leaf = [&](int64_t chunk, int64_t, int64_t j, auto full, int lanes) MB_LAMBDA {
          constexpr bool kFull = decltype(full)::value;
          const T* p = partial + chunk * 2 * stride + u.column + j;
          return Terms<T, 2>{{LoadLanes<kFull>(p, lanes), LoadLanes<kFull>(p + stride, lanes)}};
        };
        ReduceTree<T, 2>(grid.rows, kChunkRows, u.columns, room.stack, leaf, AddTerms<T, 2>(), finish(u));
      }
      return;
    }
    const bool small = IsSmall(grid);
    const Vec<T> per_row = Set<T>(static_cast<T>(1.0 / static_cast<double>(grid.rows)));
    const Span units = ItemsOf(grid.units(), grid.units_per_piece, begin, end);
    for (int64_t unit = units.begin; unit < units.end; unit++) {
      const ColumnUnit u = UnitOf(grid, unit);
      const int64_t corner = u.row * stride + u.column;
      if (phase == 0) {
        const auto term = [&](int64_t row, int64_t j, auto full, int lanes) MB_LAMBDA {
          constexpr bool kFull = decltype(full)::value;
          const int64_t at = corner + row * stride + j;
          const Vec<T> g = upstream(at, full, lanes);
          const Vec<T> distance = Sub(LoadLanes<kFull>(x + at, lanes), LoadLanes<kFull>(mean + u.column + j, lanes));
          return Terms<T, 2>{{g, Mul(g, distance)}};
        };
        if (grid.chunks == 1) {
          ReduceTree<T, 2>(u.rows, kLeafRows, u.columns, room.stack, LeafOfSums<T, 2>(term), AddTerms<T, 2>(), finish(u));
        } else {
          T* to = partial + u.chunk * 2 * stride + u.column;
          ReduceTree<T, 2>(u.rows, kLeafRows, u.columns, room.stack, LeafOfSums<T, 2>(term), AddTerms<T, 2>(),
                           [&](int64_t j, auto full, int lanes, const Terms<T, 2>& sums) MB_LAMBDA {
                             constexpr bool kFull = decltype(full)::value;
                             StoreLanes<kFull>(to + j, sums.v[0], lanes);
                             StoreLanes<kFull>(to + stride + j, sums.v[1], lanes);
                           });
        }
      }
      if (phase != 2 && !small) continue;
      EachVector<T>(u.columns, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> s = inverse(u.column + j, full, lanes);
        Store(room.blocks[0] + j, Mul(LoadLanes<kFull>(gamma + u.column + j, lanes), s));
        Store(room.blocks[1] + j, Mul(LoadLanes<kFull>(dbeta + u.column + j, lanes), per_row));
        Store(room.blocks[2] + j, Mul(Mul(LoadLanes<kFull>(dgamma + u.column + j, lanes), per_row), s));
      });
      EachRowOfBlock<T>(u.rows, u.columns, [&]<int kRows>(int64_t i, int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> centre = LoadLanes<kFull>(mean + u.column + j, lanes);
        const Vec<T> scale = Load(static_cast<const T*>(room.blocks[0] + j)), shift = Load(static_cast<const T*>(room.blocks[1] + j));
        const Vec<T> slope = Load(static_cast<const T*>(room.blocks[2] + j));
#pragma GCC unroll 4
        for (int r = 0; r < kRows; r++) {
          const int64_t at = corner + (i + r) * stride + j;
          const Vec<T> rest = Fma(Sub(LoadLanes<kFull>(x + at, lanes), centre), slope, shift);
          StoreLanes<kFull>(dx + at, Mul(scale, Sub(upstream(at, full, lanes), rest)), lanes);
        }
      });
    }
  }
  static void Run(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
    if (call.attributes[1] != 0) RunAs<true>(call, phase, begin, end, worker);
    else RunAs<false>(call, phase, begin, end, worker);
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
