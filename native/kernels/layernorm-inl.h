// Layer normalisation of the rows of x [m, n], and its gradient. A row is read three times while it is in the cache.

// One piece: the sums down the columns, then the rows that use them, in one phase.
static bool IsSmall(const ColumnGrid& grid) { return grid.chunks == 1 && CountUnitPieces(grid) == 1; }
static int64_t RowsOfPiece(const Call& call) { return RowsPerPiece(call.in[0].shape[1], 2); }
static int64_t LayerNormPieces(const Call& call, int32_t) { return CountPieces(call.in[0].shape[0], RowsOfPiece(call)); }

template <typename T> struct LayerNormLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const int64_t n = call.in[0].shape[1];
    const double epsilon = call.attributes[0];
    const T *gamma = In<T>(call, 1), *beta = In<T>(call, 2);
    const Span rows = ItemsOf(call.in[0].shape[0], RowsOfPiece(call), begin, end);
    for (int64_t row = rows.begin; row < rows.end; row++) {
      const T* x = In<T>(call, 0) + row * n;
      T* y = Out<T>(call, 0) + row * n;
      // Distances from the first number: a mean far from 0 costs no digits.
      const Vec<T> base = Set<T>(x[0]);
      double total;
      SumVectors<T, 1, 4>(n, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> d = Sub(LoadLanes<kFull>(x + j, lanes), base);
        return Terms<T, 1>{{kFull ? d : SelectOrZero(FirstLanes<T>(lanes), d)}};
      }, &total);
      const T mean = static_cast<T>(static_cast<double>(x[0]) + total / static_cast<double>(n));
      const Vec<T> centre = Set<T>(mean);
      SumVectors<T, 1, 4>(n, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> d = Sub(LoadLanes<kFull>(x + j, lanes), centre);
        const Vec<T> square = Mul(d, d);
        return Terms<T, 1>{{kFull ? square : SelectOrZero(FirstLanes<T>(lanes), square)}};
      }, &total);
      const double variance = total / static_cast<double>(n);
      const Vec<T> scale = Set<T>(static_cast<T>(1.0 / RootOf(variance + epsilon)));
      EachVector<T>(n, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> normal = Mul(Sub(LoadLanes<kFull>(x + j, lanes), centre), scale);
        StoreLanes<kFull>(y + j, Fma(normal, LoadLanes<kFull>(gamma + j, lanes), LoadLanes<kFull>(beta + j, lanes)), lanes);
      });
      Out<T>(call, 1)[row] = mean;
      Out<T>(call, 2)[row] = static_cast<T>(variance);
    }
  }
};

// dgamma = sum dy x^ and dbeta = sum dy down the columns (phases 0 and 1), then dx row by row, in this order because dx
// may lie on dy: dx = s (g - mean g - x^ mean(g x^)) with g = dy gamma, s = 1 / sqrt(variance + epsilon), x^ = (x - mean) s.
template <typename T> struct LayerNormGradientLoop {
  static void Run(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
    const ColumnGrid grid = GridOf(call);
    if (phase == 0) Columns(call, grid, begin, end, worker);
    for (int64_t b = 0; b < grid.blocks && phase == 1 && grid.chunks > 1; b++) {
      SumChunks(reinterpret_cast<const T*>(call.scratch), grid, UnitOf(grid, b), NormRoom<T>(worker).stack, Out<T>(call, 2), Out<T>(call, 1));
    }
    if (phase == 2 || (phase == 0 && IsSmall(grid))) Rows(call, phase == 2 ? ItemsOf(grid.rows, RowsOfPiece(call), begin, end) : Span{0, grid.rows});
  }
  static void Columns(const Call& call, const ColumnGrid& grid, int64_t begin, int64_t end, Worker& worker) {
    const NormRoom<T> room(worker);
    const int64_t stride = grid.columns;
    const T *x = In<T>(call, 0), *mean = In<T>(call, 2), *variance = In<T>(call, 3), *dy = In<T>(call, 4);
    const T epsilon = static_cast<T>(call.attributes[0]);
    // One number per row of a chunk, which may be all rows of little work.
    T* inverse = room.blocks[3] + kBlockColumns<T>;
    static_assert(((2 * 56 + 4) * 4096 + kChunkElements * static_cast<int64_t>(sizeof(T))) <= kWorkerScratch);
    const Span units = ItemsOf(grid.units(), grid.units_per_piece, begin, end);
    int64_t ready = -1;  // the chunk whose rows' numbers stand there
    for (int64_t unit = units.begin; unit < units.end; unit++) {
      const ColumnUnit u = UnitOf(grid, unit);
      if (u.row != ready) {
        EachVector<T>(u.rows, [&](int64_t i, auto full, int lanes) MB_LAMBDA {
          constexpr bool kFull = decltype(full)::value;
          StoreLanes<kFull>(inverse + i, Div(Set<T>(1), Sqrt(Add(LoadLanes<kFull>(variance + u.row + i, lanes), Set<T>(epsilon)))), lanes);
        });
        ready = u.row;
      }
      T* sums = grid.chunks > 1 ? reinterpret_cast<T*>(call.scratch) + u.chunk * 2 * stride + u.column : nullptr;
      T* dbeta = sums ? sums : Out<T>(call, 2) + u.column;
      T* dgamma = sums ? sums + stride : Out<T>(call, 1) + u.column;
      const auto term = [&](int64_t row, int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const int64_t at = (u.row + row) * stride + u.column + j;
        const Vec<T> d = LoadLanes<kFull>(dy + at, lanes);
        const Vec<T> normal = Mul(Sub(LoadLanes<kFull>(x + at, lanes), Set<T>(mean[u.row + row])), Set<T>(inverse[row]));
        return Terms<T, 2>{{d, Mul(d, normal)}};
      };
      ReduceTree<T, 2>(u.rows, kLeafRows, u.columns, room.stack, LeafOfSums<T, 2>(term), AddTerms<T, 2>(), StoreTerms(dbeta, dgamma, T(1)));
    }
  }
  static void Rows(const Call& call, Span rows) {
    const int64_t n = call.in[0].shape[1];
    const T* gamma = In<T>(call, 1);
    for (int64_t row = rows.begin; row < rows.end; row++) {
      const T *x = In<T>(call, 0) + row * n, *dy = In<T>(call, 4) + row * n;
      T* dx = Out<T>(call, 0) + row * n;
      const T s = static_cast<T>(1.0 / RootOf(static_cast<double>(In<T>(call, 3)[row]) + call.attributes[0]));
      const Vec<T> centre = Set<T>(In<T>(call, 2)[row]), scale = Set<T>(s);
      double totals[2];
      SumVectors<T, 2, 2>(n, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> g = Mul(LoadLanes<kFull>(dy + j, lanes), LoadLanes<kFull>(gamma + j, lanes));
        const Vec<T> product = Mul(g, Sub(LoadLanes<kFull>(x + j, lanes), centre));
        return Terms<T, 2>{{g, kFull ? product : SelectOrZero(FirstLanes<T>(lanes), product)}};
      }, totals);
      const double count = static_cast<double>(n);
      const Vec<T> shift = Set<T>(static_cast<T>(totals[0] / count));
      const Vec<T> slope = Set<T>(static_cast<T>(totals[1] / count * static_cast<double>(s) * static_cast<double>(s)));
      EachVector<T>(n, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> g = Mul(LoadLanes<kFull>(dy + j, lanes), LoadLanes<kFull>(gamma + j, lanes));
        const Vec<T> rest = Fma(Sub(LoadLanes<kFull>(x + j, lanes), centre), slope, shift);
        StoreLanes<kFull>(dx + j, Mul(Sub(g, rest), scale), lanes);
      });
    }
  }
};
static int32_t LayerNormGradientPhases(const Call& call) { return IsSmall(GridOf(call)) ? 1 : 3; }
static int64_t LayerNormGradientPieces(const Call& call, int32_t phase) {
  return phase == 2 ? CountPieces(call.in[0].shape[0], RowsOfPiece(call)) : NormPieces(call, phase);
}

static const char* CheckLayerNorm(const Call& call) {
  if (const char* wrong = CheckFloats(call, 3, 3, 1)) return wrong;
  if (const char* wrong = CheckMatrix(call, true)) return wrong;
  if (const char* wrong = CheckVectors(call.in + 1, 2, call.in[0].shape[1])) return wrong;
  return CheckVectors(call.out + 1, 2, call.in[0].shape[0]);
}
static const char* CheckLayerNormGradient(const Call& call) {
  if (const char* wrong = CheckFloats(call, 5, 3, 1)) return wrong;
  if (const char* wrong = CheckMatrix(call, true)) return wrong;
  if (const char* wrong = CheckVectors(call.in + 1, 1, call.in[0].shape[1])) return wrong;
  if (const char* wrong = CheckVectors(call.in + 2, 2, call.in[0].shape[0])) return wrong;
  if (const char* wrong = CheckVectors(call.out + 1, 2, call.in[0].shape[1])) return wrong;
  return SameShape(call.in[4], call.in[0]) ? nullptr : "dy must have the shape of x";
}

static const Kernel kLayerNormKernels[] = {
    {"layerNorm", CheckLayerNorm, nullptr, nullptr, LayerNormPieces, RunFloat<LayerNormLoop>},
    {"layerNormGradient", CheckLayerNormGradient, NormScratch, LayerNormGradientPhases, LayerNormGradientPieces, RunFloat<LayerNormGradientLoop>},
};
