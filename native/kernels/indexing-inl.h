// Kernels that pick by index: gather, scatterAdd, oneHot, gatherRows. Indices are data and are checked when read, once:
// the first out of range ends the call, and the run.

// Whether the index is in range; else the worker's report is made.
static inline bool InRange(int32_t index, int64_t bound, Worker& worker) {
  if (index >= 0 && index < bound) return true;
  worker.bad_index = index;
  worker.bad_bound = bound;
  return false;
}

// ---- gather(x, indices) {axis} ----

static const char* CheckGather(const Call& call) {
  if (const char* wrong = CheckMove(call, 2)) return wrong;
  const Slice &x = call.in[0], &indices = call.in[1], &y = call.out[0];
  if (indices.dtype != DType::kI32) return "indices must be i32";
  if (call.attribute_count != 1 || !IsWholeIn(call.attributes[0], 0, x.rank - 1)) return "axis must lie inside the rank";
  const Split s = SplitAt(x, static_cast<int64_t>(call.attributes[0]), 1);
  return y.size == s.outer * indices.size * s.inner ? nullptr : "the result must have a part of x per index";
}
static int64_t GatherRowElements(const Call& call) { return SplitAt(call.in[0], static_cast<int64_t>(call.attributes[0]), 1).inner; }
static int64_t GatherPieces(const Call& call, int32_t) {
  const Split s = SplitAt(call.in[0], static_cast<int64_t>(call.attributes[0]), 1);
  return CountPieces(s.outer * call.in[1].size, RowsPerPiece(GatherRowElements(call), 2));
}
template <typename U> struct GatherLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const Split s = SplitAt(call.in[0], static_cast<int64_t>(call.attributes[0]), 1);
    const int64_t count = call.in[1].size;
    const Span rows = ItemsOf(s.outer * count, RowsPerPiece(s.inner, 2), begin, end);
    const int32_t* indices = In<int32_t>(call, 1);
    const U* x = In<U>(call, 0);
    U* y = Out<U>(call, 0);
    for (int64_t row = rows.begin; row < rows.end; row++) {
      const int32_t index = indices[row % count];
      if (!InRange(index, s.n, worker)) return;
      const U* from = x + (row / count * s.n + index) * s.inner;
      if (s.inner == 1) y[row] = *from;
      else CopyElements(y + row * s.inner, from, s.inner);
    }
  }
};

// ---- scatterAdd(indices, dy) {axis, size} ----

// Many parts may meet at one index: they are added in double precision, rounded once. The sums of a block of columns
// stand in the worker's scratch; where not all indices fit, ranges of them are done one after another.
constexpr int64_t kScatterSums = kWorkerScratch / 8;
constexpr int64_t kScatterColumns = 64;

static Split ScatterSplit(const Call& call) { return SplitAt(call.out[0], static_cast<int64_t>(call.attributes[0]), 1); }
static const char* CheckScatterAdd(const Call& call) {
  if (call.inputs != 2 || call.outputs != 1 || call.attribute_count != 2) return "takes indices, dy, an axis and a size";
  const Slice &indices = call.in[0], &dy = call.in[1], &y = call.out[0];
  if (indices.dtype != DType::kI32 || dy.dtype != y.dtype) return "indices must be i32, the result of the dtype of dy";
  if (!IsFloatType(y.dtype)) return kUnsupported;
  if (!IsWholeIn(call.attributes[0], 0, y.rank - 1)) return "axis must lie inside the rank";
  const Split s = ScatterSplit(call);
  if (call.attributes[1] != static_cast<double>(s.n)) return "the axis must have the size asked for";
  return dy.size == s.outer * indices.size * s.inner ? nullptr : "dy must have a part per index";
}
static int64_t ScatterBlocks(const Split& s) { return (s.inner + kScatterColumns - 1) / kScatterColumns; }
static int64_t ScatterUnitsPerPiece(const Call& call, const Split& s) {
  const int64_t columns = s.inner < kScatterColumns ? s.inner : kScatterColumns;
  return RowsPerPiece((call.in[0].size + s.n) * columns, 2);
}
static int64_t ScatterPieces(const Call& call, int32_t) {
  const Split s = ScatterSplit(call);
  return CountPieces(s.outer * ScatterBlocks(s), ScatterUnitsPerPiece(call, s));
}
template <typename T> struct ScatterLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const Split s = ScatterSplit(call);
    if (call.out[0].size == 0) {
      // No place for any index.
      for (int64_t i = 0; i < call.in[0].size && s.n == 0; i++) InRange(In<int32_t>(call, 0)[i], 0, worker);
      return;
    }
    const int64_t count = call.in[0].size, blocks = ScatterBlocks(s);
    const int32_t* indices = In<int32_t>(call, 0);
    double* sums = reinterpret_cast<double*>(worker.scratch);
    const Span units = ItemsOf(s.outer * blocks, ScatterUnitsPerPiece(call, s), begin, end);
    for (int64_t unit = units.begin; unit < units.end; unit++) {
      const int64_t o = unit / blocks, j = unit % blocks * kScatterColumns;
      const int64_t columns = s.inner - j < kScatterColumns ? s.inner - j : kScatterColumns;
      const int64_t fits = kScatterSums / columns;
      const T* dy = In<T>(call, 1) + o * count * s.inner + j;
      T* y = Out<T>(call, 0) + o * s.n * s.inner + j;
      for (int64_t first = 0; first < s.n; first += fits) {
        const int64_t places = s.n - first < fits ? s.n - first : fits;
        FillElements(sums, 0.0, places * columns);
        for (int64_t i = 0; i < count; i++) {
          const int32_t index = indices[i];
          if (!InRange(index, s.n, worker)) return;
          if (index < first || index >= first + places) continue;
          double* sum = sums + (index - first) * columns;
          const T* part = dy + i * s.inner;
          for (int64_t c = 0; c < columns; c++) sum[c] += static_cast<double>(part[c]);
        }
        for (int64_t p = 0; p < places; p++) {
          for (int64_t c = 0; c < columns; c++) y[(first + p) * s.inner + c] = static_cast<T>(sums[p * columns + c]);
        }
      }
    }
  }
};

// ---- oneHot(indices) {depth, dtype} ----

static const char* CheckOneHot(const Call& call) {
  if (call.inputs != 1 || call.outputs != 1 || call.attribute_count != 2) return "takes indices, a depth and a dtype";
  const Slice &indices = call.in[0], &y = call.out[0];
  if (indices.dtype != DType::kI32) return "indices must be i32";
  if (y.rank < 1 || call.attributes[0] != static_cast<double>(y.shape[y.rank - 1])) return "the last axis must have the size depth";
  if (call.attributes[1] != static_cast<double>(static_cast<int32_t>(y.dtype))) return "the result must have the dtype asked for";
  return y.size == indices.size * y.shape[y.rank - 1] ? nullptr : "the result must have a row per index";
}
static int64_t OneHotPieces(const Call& call, int32_t) {
  const Slice& y = call.out[0];
  return CountPieces(call.in[0].size, RowsPerPiece(y.shape[y.rank - 1], 1));
}
template <typename T> static void OneHotRows(const Call& call, int64_t begin, int64_t end, Worker& worker) {
  const int64_t depth = call.out[0].shape[call.out[0].rank - 1];
  const Span rows = ItemsOf(call.in[0].size, RowsPerPiece(depth, 1), begin, end);
  for (int64_t row = rows.begin; row < rows.end; row++) {
    const int32_t index = In<int32_t>(call, 0)[row];
    if (!InRange(index, depth, worker)) return;
    T* y = Out<T>(call, 0) + row * depth;
    FillElements(y, T(0), depth);
    y[index] = T(1);
  }
}
static void RunOneHot(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
  switch (call.out[0].dtype) {
    case DType::kF32: return OneHotRows<float>(call, begin, end, worker);
    case DType::kF64: return OneHotRows<double>(call, begin, end, worker);
    case DType::kI32: return OneHotRows<int32_t>(call, begin, end, worker);
    case DType::kU8: return OneHotRows<uint8_t>(call, begin, end, worker);
  }
}

// ---- gatherRows(table, rows) {to}: the rows of a batch, converted; standardizedRows(table, rows, center, factor) ----

// Rows lie anywhere in a large table, and neither their lines nor their pages can be guessed: they are asked for well before,
// a part of an L2 cache ahead.
constexpr int64_t kPrefetchBytes = 128 << 10;
static inline void PrefetchRow(const Slice& table, int64_t index, int64_t row_bytes) {
  if (index < 0 || index >= table.shape[0]) return;
  const char* row = static_cast<const char*>(table.data) + index * row_bytes;
  const int64_t bytes = row_bytes < kPrefetchBytes ? row_bytes : kPrefetchBytes;
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i);
}
// use(row of the batch, row of the table) for the rows of the batch, up to an index out of range.
template <typename Use> static void EachGatheredRow(const Call& call, Span rows, int64_t width, Worker& worker, const Use& use) {
  const Slice& table = call.in[0];
  const int32_t* index = In<int32_t>(call, 1);
  const int64_t row_bytes = width * BytesOf(table.dtype);
  const int64_t ahead = row_bytes >= kPrefetchBytes ? 1 : row_bytes > 0 ? kPrefetchBytes / row_bytes : 0;
  for (int64_t row = rows.begin; row < rows.end && row < rows.begin + ahead; row++) PrefetchRow(table, index[row], row_bytes);
  for (int64_t row = rows.begin; row < rows.end; row++) {
    if (row + ahead < rows.end) PrefetchRow(table, index[row + ahead], row_bytes);
    if (!InRange(index[row], table.shape[0], worker)) return;
    use(row, index[row]);
  }
}

static const char* CheckRowsOfTable(const Call& call) {
  const Slice &table = call.in[0], &rows = call.in[1], &y = call.out[0];
  if (rows.dtype != DType::kI32 || rows.rank != 1) return "rows must be i32 [b]";
  if (table.rank < 1 || y.rank != table.rank || y.shape[0] != rows.shape[0]) return "the result must have a row per index";
  for (int i = 1; i < table.rank; i++) {
    if (y.shape[i] != table.shape[i]) return "the result must have the rows of the table";
  }
  return Converts(table.dtype, y.dtype) ? nullptr : kUnsupported;
}
static const char* CheckGatherRows(const Call& call) {
  if (call.inputs != 2 || call.outputs != 1 || call.attribute_count != 1) return "takes a table, rows and a dtype";
  if (call.attributes[0] != static_cast<double>(static_cast<int32_t>(call.out[0].dtype))) return "the result must have the dtype asked for";
  return CheckRowsOfTable(call);
}
static const char* CheckStandardizedRows(const Call& call) {
  if (call.inputs != 4 || call.outputs != 1 || call.attribute_count != 0) return "takes a table, rows, center and factor";
  if (const char* wrong = CheckRowsOfTable(call)) return wrong;
  const Slice& y = call.out[0];
  for (int i = 2; i < 4; i++) {
    if (call.in[i].dtype != y.dtype || !IsFloatType(y.dtype)) return "center and factor must have the float dtype of the result";
    if (call.in[i].rank != y.rank - 1) return "center and factor must have the shape of a row";
    for (int axis = 1; axis < y.rank; axis++) {
      if (call.in[i].shape[axis - 1] != y.shape[axis]) return "center and factor must have the shape of a row";
    }
  }
  return nullptr;
}
static int64_t GatherRowsPieces(const Call& call, int32_t) { return CountPieces(call.out[0].shape[0], RowsPerPiece(SplitAt(call.out[0], 0, 1).inner, 1)); }
static void RunGatherRows(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
  const int64_t width = SplitAt(call.out[0], 0, 1).inner;
  const Span rows = ItemsOf(call.out[0].shape[0], RowsPerPiece(width, 1), begin, end);
  EachGatheredRow(call, rows, width, worker, [&](int64_t row, int64_t index) { ConvertElements(call.in[0], index * width, call.out[0], row * width, width); });
}
template <typename T> struct StandardizedRowsLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const int64_t width = SplitAt(call.out[0], 0, 1).inner;
    const Span rows = ItemsOf(call.out[0].shape[0], RowsPerPiece(width, 1), begin, end);
    const T *center = In<T>(call, 2), *factor = In<T>(call, 3);
    EachGatheredRow(call, rows, width, worker, [&](int64_t row, int64_t index) {
      ConvertElements(call.in[0], index * width, call.out[0], row * width, width);
      T* y = Out<T>(call, 0) + row * width;
      EachVector<T>(width, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
        constexpr bool kFull = decltype(full)::value;
        const Vec<T> distance = Sub(LoadLanes<kFull>(static_cast<const T*>(y + j), lanes), LoadLanes<kFull>(center + j, lanes));
        StoreLanes<kFull>(y + j, Mul(distance, LoadLanes<kFull>(factor + j, lanes)), lanes);
      });
    });
  }
};

static const Kernel kIndexingKernels[] = {
    {"gather", CheckGather, nullptr, nullptr, GatherPieces, RunSized<GatherLoop>},
    {"scatterAdd", CheckScatterAdd, nullptr, nullptr, ScatterPieces, RunFloat<ScatterLoop>},
    {"oneHot", CheckOneHot, nullptr, nullptr, OneHotPieces, RunOneHot},
    {"gatherRows", CheckGatherRows, nullptr, nullptr, GatherRowsPieces, RunGatherRows},
    {"standardizedRows", CheckStandardizedRows, nullptr, nullptr, GatherRowsPieces, RunFloat<StandardizedRowsLoop>},
};
