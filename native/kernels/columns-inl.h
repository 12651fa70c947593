// Reductions down the rows of a matrix [rows, columns], every column by itself: rows are read in their order in memory,
// groups of eight form a leaf, leaves combine as a balanced tree. The tree depends on the shape alone, whatever the
// width of registers and however pieces are shared among threads. Knows no op.

constexpr int64_t kLeafRows = 8;
// Rows of a leaf side by side in registers, where there are that many.
constexpr int kLeafUnroll = kVecRegisters >= 8 ? 8 : 1;
// Columns worked on together, at most and at least. A page at most: rows of a large matrix in parts of 1 KB, a page of memory each,
// were read at half the speed. The stack of a tree of a million rows (18 levels of two values) is 144 KB then.
template <typename T> constexpr int64_t kBlockColumns = 4096 / static_cast<int64_t>(sizeof(T));
template <typename T> constexpr int64_t kLeastColumns = 512 / static_cast<int64_t>(sizeof(T));
// Elements of a block that is read twice: an eighth of an L2 of 1 MB.
constexpr int64_t kBlockElements = 32768;
// Rows of a chunk where there are several. Fewer elements than these stay one chunk: they need no second phase.
constexpr int64_t kChunkRows = 256;
constexpr int64_t kChunkElements = 196608;
constexpr int64_t kFewUnits = 4;

// The cut of [outer, rows, columns] into units (matrix, chunk of rows, block of columns), blocks first.
struct ColumnGrid {
  int64_t outer, rows, columns;
  int64_t chunks, chunk_rows, blocks, block_columns;
  int64_t units() const { return outer * chunks * blocks; }
  int64_t units_per_piece;
};
template <typename T> static ColumnGrid CutColumns(int64_t outer, int64_t rows, int64_t columns) {
  ColumnGrid g{};
  g.outer = outer;
  g.rows = rows;
  g.columns = columns;
  const bool small = outer * rows * columns <= kChunkElements;
  g.chunks = small || rows <= 2 * kChunkRows ? 1 : (rows + kChunkRows - 1) / kChunkRows;
  g.chunk_rows = g.chunks == 1 ? rows : kChunkRows;
  g.block_columns = kBlockColumns<T>;
  const auto count = [&] { return g.blocks = (columns + g.block_columns - 1) / g.block_columns; };
  // Chunks are read as whole rows, in sequence. What is one chunk is narrower: it is read again while it is in the cache, and there
  // should be some units to share.
  const bool divisible = outer * rows * columns >= 2 * kPieceElements;
  for (count(); g.chunks == 1 && g.block_columns > kLeastColumns<T> && (rows * g.block_columns > kBlockElements || (divisible && g.units() < kFewUnits)); count()) {
    g.block_columns /= 2;
  }
  const int64_t width = columns < g.block_columns ? columns : g.block_columns;
  const int64_t unit = g.chunk_rows * width;
  g.units_per_piece = kPieceElements / (unit > 0 ? unit : 1);
  if (g.units_per_piece < 1) g.units_per_piece = 1;
  return g;
}
struct ColumnUnit {
  int64_t outer, row, rows, column, columns, chunk;
};
static inline ColumnUnit UnitOf(const ColumnGrid& g, int64_t unit) {
  ColumnUnit u{};
  u.column = unit % g.blocks * g.block_columns;
  u.columns = g.columns - u.column < g.block_columns ? g.columns - u.column : g.block_columns;
  u.chunk = unit / g.blocks % g.chunks;
  u.outer = unit / g.blocks / g.chunks;
  u.row = u.chunk * g.chunk_rows;
  u.rows = g.rows - u.row < g.chunk_rows ? g.rows - u.row : g.chunk_rows;
  return u;
}
static inline int64_t CountUnitPieces(const ColumnGrid& g) { return CountPieces(g.units(), g.units_per_piece); }

// What a combination needs to know of the two sides: nb / (na + nb) and na nb / (na + nb).
template <typename T> struct Weights {
  Vec<T> share, product;
};

// A tree over `leaves` leaves of `leaf_rows` rows each, the last possibly fewer (rows in all), for `columns` columns.
//   leaf(i, rows, j, full, lanes) -> Terms of leaf i for the vector of columns at j
//   combine(a, b, weights)        -> Terms of both
//   result(j, full, lanes, terms)
// `stack` has room for levels x kValues x block columns.
template <typename T, int kValues, typename Leaf, typename Combine, typename Result>
MB_INLINE void ReduceTree(int64_t rows, int64_t leaf_rows, int64_t columns, T* stack, const Leaf& leaf, const Combine& combine, const Result& result) {
  const int64_t leaves = (rows + leaf_rows - 1) / leaf_rows;
  const int64_t level_size = kValues * kBlockColumns<T>;
  double counts[56];
  const auto load = [&](int level, int64_t j) MB_LAMBDA {
    Terms<T, kValues> terms;
#pragma GCC unroll 2
    for (int v = 0; v < kValues; v++) terms.v[v] = Load(static_cast<const T*>(stack + level * level_size + v * kBlockColumns<T> + j));
    return terms;
  };
  for (int64_t i = 0; i < leaves; i++) {
    const int64_t here = rows - i * leaf_rows < leaf_rows ? rows - i * leaf_rows : leaf_rows;
    Weights<T> weights[56];
    double count = static_cast<double>(here);
    int merges = 0;
    for (int64_t bits = i; bits & 1; bits >>= 1, merges++) {
      const double before = counts[merges];
      weights[merges] = {Set<T>(static_cast<T>(count / (before + count))), Set<T>(static_cast<T>(before * count / (before + count)))};
      count += before;
    }
    counts[merges] = count;
    EachVector<T>(columns, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
      Terms<T, kValues> terms = leaf(i, here, j, full, lanes);
      for (int level = 0; level < merges; level++) terms = combine(load(level, j), terms, weights[level]);
#pragma GCC unroll 2
      for (int v = 0; v < kValues; v++) Store(stack + merges * level_size + v * kBlockColumns<T> + j, terms.v[v]);
    });
  }
  // What still waits on the stack, from the last leaf upwards.
  const int lowest = __builtin_ctzll(static_cast<unsigned long long>(leaves));
  Weights<T> weights[56];
  double count = counts[lowest];
  for (int level = lowest + 1; leaves >> level != 0; level++) {
    if ((leaves >> level & 1) == 0) continue;
    const double before = counts[level];
    weights[level] = {Set<T>(static_cast<T>(count / (before + count))), Set<T>(static_cast<T>(before * count / (before + count)))};
    count += before;
  }
  EachVector<T>(columns, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
    Terms<T, kValues> terms = load(lowest, j);
    for (int level = lowest + 1; leaves >> level != 0; level++) {
      if (leaves >> level & 1) terms = combine(load(level, j), terms, weights[level]);
    }
    result(j, full, lanes, terms);
  });
}
// Levels of such a tree, for the room of its stack.
static inline int64_t TreeLevels(int64_t rows) {
  int64_t levels = 2;
  while (rows > kLeafRows) {
    rows = (rows + 1) / 2;
    levels++;
  }
  return levels;
}

// Sums of kValues numbers per row, eight rows to a leaf: term(row, j, full, lanes) -> Terms. Leaves are trees of their own.
template <typename T, int kValues, typename Term> MB_INLINE auto LeafOfSums(const Term& term) {
  return [&term](int64_t i, int64_t rows, int64_t j, auto full, int lanes) MB_LAMBDA {
    const int64_t first = i * kLeafRows;
    Terms<T, kValues> sum = term(first, j, full, lanes);
    if (rows == kLeafRows) {
      Terms<T, kValues> other = term(first + 1, j, full, lanes);
#pragma GCC unroll kLeafUnroll
      for (int r = 2; r < kLeafRows; r += 2) {
        const Terms<T, kValues> a = term(first + r, j, full, lanes), b = term(first + r + 1, j, full, lanes);
#pragma GCC unroll 2
        for (int v = 0; v < kValues; v++) {
          sum.v[v] = Add(sum.v[v], a.v[v]);
          other.v[v] = Add(other.v[v], b.v[v]);
        }
      }
#pragma GCC unroll 2
      for (int v = 0; v < kValues; v++) sum.v[v] = Add(sum.v[v], other.v[v]);
    } else {
      for (int64_t r = 1; r < rows; r++) {
        const Terms<T, kValues> a = term(first + r, j, full, lanes);
#pragma GCC unroll 2
        for (int v = 0; v < kValues; v++) sum.v[v] = Add(sum.v[v], a.v[v]);
      }
    }
    return sum;
  };
}
template <typename T, int kValues> struct AddTerms {
  MB_OP Terms<T, kValues> operator()(const Terms<T, kValues>& a, const Terms<T, kValues>& b, const Weights<T>&) const {
    Terms<T, kValues> sum;
#pragma GCC unroll 2
    for (int v = 0; v < kValues; v++) sum.v[v] = Add(a.v[v], b.v[v]);
    return sum;
  }
};

// The results of a tree into two rows of numbers, the second times a factor.
template <typename T> MB_INLINE auto StoreTerms(T* first, T* second, T factor) {
  return [first, second, factor](int64_t j, auto full, int lanes, const Terms<T, 2>& terms) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    StoreLanes<kFull>(first + j, terms.v[0], lanes);
    StoreLanes<kFull>(second + j, Mul(terms.v[1], Set<T>(factor)), lanes);
  };
}
// A leaf that was a chunk: its two rows of partial results in [chunks, 2, columns].
template <typename T> MB_INLINE auto LeafOfChunks(const T* partial, int64_t columns) {
  return [partial, columns](int64_t chunk, int64_t, int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    const T* p = partial + chunk * 2 * columns + j;
    return Terms<T, 2>{{LoadLanes<kFull>(p, lanes), LoadLanes<kFull>(p + columns, lanes)}};
  };
}
// Two sums of each column of a block from those of its chunks.
template <typename T> MB_SHARED void SumChunks(const T* partial, const ColumnGrid& grid, const ColumnUnit& u, T* stack, T* first, T* second) {
  ReduceTree<T, 2>(grid.rows, kChunkRows, u.columns, stack, LeafOfChunks(partial + u.column, grid.columns), AddTerms<T, 2>(),
                   StoreTerms(first + u.column, second + u.column, T(1)));
}
