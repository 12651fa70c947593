// Products whose C is so narrow that vectors along a row of C would be half empty: dot products along the depth, 32 bytes of
// lanes each. Knows nothing of the other tiles.

// Lane l sums the p with p mod lanes = l in rising order, one FMA each; then lanes are added in halves (l and l + 4, then
// + 2, + 1). 32 bytes on every instruction set: with 64 AVX2 would need 20 accumulators of 16 registers.
// From 13 of 16 lanes on the other tiles win: they run near the peak and lose only the empty lanes.
constexpr int kDotMaxColumns = 12;
// Columns of one tile, and rows beside so many columns: accumulators 20 of 32 registers with AVX-512, 10 of 16 with AVX2
// (a row more would not leave room for the operands), divisors of 8.
constexpr int kDotColumns = 5;
constexpr int DotRows(int columns) {
  constexpr int kRows[3][6] = {{0, 4, 4, 2, 2, 1}, {0, 8, 4, 2, 2, 2}, {0, 8, 8, 4, 4, 4}};
  return kRows[MB_REGISTER_ISA == 3 ? 2 : MB_REGISTER_ISA == 0 ? 0 : 1][columns];
}
// Deeper sums are cut (part of the definition of the sum): 12 packed columns of doubles are 384 KB then.
constexpr int64_t kDotDepth = 4096;
// Below this depth the additions over lanes cost more than the empty lanes of the general tile.
constexpr int64_t kDotMinDepth = 32;

// Sums over the lanes of `count` registers (a multiple of 4).
MB_REGISTER_INLINE void SumLanesOf(const Lanes32<float>::Value* x, int count, float* sums) {
  using Q = Register<float, 16>;
  MB_REGISTER_UNROLL
  for (int i = 0; i < count; i += 4) {
    Q::Value q[4];
    MB_REGISTER_UNROLL
    for (int j = 0; j < 4; j++) {
      q[j] = Lanes32<float>::Low(x[i + j]) + Lanes32<float>::High(x[i + j]);
    }
    const Q::Value u = MB_REGISTER_SHUFFLE(Index4x32, q[0], q[1], 0, 1, 4, 5) + MB_REGISTER_SHUFFLE(Index4x32, q[0], q[1], 2, 3, 6, 7);
    const Q::Value v = MB_REGISTER_SHUFFLE(Index4x32, q[2], q[3], 0, 1, 4, 5) + MB_REGISTER_SHUFFLE(Index4x32, q[2], q[3], 2, 3, 6, 7);
    Q::Store(sums + i, MB_REGISTER_SHUFFLE(Index4x32, u, v, 0, 2, 4, 6) + MB_REGISTER_SHUFFLE(Index4x32, u, v, 1, 3, 5, 7));
  }
}
MB_REGISTER_INLINE void SumLanesOf(const Lanes32<double>::Value* x, int count, double* sums) {
  using Q = Register<double, 16>;
  MB_REGISTER_UNROLL
  for (int i = 0; i < count; i += 2) {
    Q::Value q[2];
    MB_REGISTER_UNROLL
    for (int j = 0; j < 2; j++) {
      q[j] = Lanes32<double>::Low(x[i + j]) + Lanes32<double>::High(x[i + j]);
    }
    Q::Store(sums + i, MB_REGISTER_SHUFFLE(Index2x64, q[0], q[1], 0, 2) + MB_REGISTER_SHUFFLE(Index2x64, q[0], q[1], 1, 3));
  }
}

// Where column j of B lies: lanes p to p + kLanes at data + j * column + (p / kLanes) * step.
template <typename T>
struct DotOperand {
  const T* data;
  int64_t column, step;
};

template <typename T, int kRows, int kColumns>
MB_REGISTER_INLINE void DotTile(const T* a, int64_t a_row, const DotOperand<T>& b, int64_t depth, T* sums) {
  using R = Lanes32<T>;
  using V = typename R::Value;
  constexpr int kLanes = R::kLanes;
  constexpr int kSums = (kRows * kColumns + 3) / 4 * 4;
  V sum[kSums];
  MB_REGISTER_UNROLL
  for (int i = 0; i < kSums; i++) sum[i] = V{};
  const T* right_data = b.data;
  int64_t p = depth;
  for (; p >= kLanes; p -= kLanes) {
    V left[kRows];
    MB_REGISTER_UNROLL
    for (int i = 0; i < kRows; i++) left[i] = R::Load(a + i * a_row);
    MB_REGISTER_UNROLL
    for (int j = 0; j < kColumns; j++) {
      V right = R::Load(right_data + j * b.column);
      R::Pin(right);
      MB_REGISTER_UNROLL
      for (int i = 0; i < kRows; i++) sum[i * kColumns + j] = R::Fma(left[i], right, sum[i * kColumns + j]);
    }
    a += kLanes;
    right_data += b.step;
  }
  if (p > 0) {
    const int rest = static_cast<int>(p);
    V left[kRows];
    MB_REGISTER_UNROLL
    for (int i = 0; i < kRows; i++) left[i] = R::LoadPartial(a + i * a_row, rest);
    MB_REGISTER_UNROLL
    for (int j = 0; j < kColumns; j++) {
      const V right = R::LoadPartial(right_data + j * b.column, rest);
      MB_REGISTER_UNROLL
      for (int i = 0; i < kRows; i++) sum[i * kColumns + j] = R::Fma(left[i], right, sum[i * kColumns + j]);
    }
  }
  SumLanesOf(sum, kSums, sums);
}

// What the tiles of one block of depth share.
struct DotEnd {
  bool add;   // C already holds the sum over earlier blocks
  bool last;  // bias and activation come now
};

template <typename T, int kRows, int kColumns>
MB_REGISTER_INLINE void DotFinish(const Product<T>& x, int64_t row, const DotEnd& end, T* sums) {
  T* c = x.c + row * x.c_row;
  if (end.add) {
    MB_REGISTER_UNROLL
    for (int i = 0; i < kRows; i++) {
      MB_REGISTER_UNROLL
      for (int j = 0; j < kColumns; j++) sums[i * kColumns + j] = c[i * x.c_row + j * x.c_column] + sums[i * kColumns + j];
    }
  }
  if (end.last && x.bias) {
    MB_REGISTER_UNROLL
    for (int i = 0; i < kRows; i++) {
      MB_REGISTER_UNROLL
      for (int j = 0; j < kColumns; j++) sums[i * kColumns + j] += x.bias[j];
    }
  }
  if (end.last && x.relu) {
    MB_REGISTER_UNROLL
    for (int i = 0; i < kRows * kColumns; i++) sums[i] = 0 > sums[i] ? 0 : sums[i];
  }
  MB_REGISTER_UNROLL
  for (int i = 0; i < kRows; i++) {
    MB_REGISTER_UNROLL
    for (int j = 0; j < kColumns; j++) c[i * x.c_row + j * x.c_column] = sums[i * kColumns + j];
  }
}

// Rows [row, row + rows) of kColumns columns of C over one block of depth: full tiles, then single rows.
template <typename T, int kColumns>
__attribute__((noinline)) static void DotColumn(const Product<T>& x, const DotOperand<T>& b, int64_t row, int64_t rows,
                                                const DotEnd& end) {
  constexpr int kRows = DotRows(kColumns);
  alignas(64) T sums[kRows * kColumns + 4];
  for (; rows >= kRows; rows -= kRows, row += kRows) {
    DotTile<T, kRows, kColumns>(x.a + row * x.a_row, x.a_row, b, x.k, sums);
    DotFinish<T, kRows, kColumns>(x, row, end, sums);
  }
  for (; rows > 0; rows--, row++) {
    DotTile<T, 1, kColumns>(x.a + row * x.a_row, x.a_row, b, x.k, sums);
    DotFinish<T, 1, kColumns>(x, row, end, sums);
  }
}

template <typename T>
static void DotColumns(int columns, const Product<T>& x, const DotOperand<T>& b, int64_t row, int64_t rows, const DotEnd& end) {
  static_assert(kDotColumns == 5);
  switch (columns) {
    case 1: return DotColumn<T, 1>(x, b, row, rows, end);
    case 2: return DotColumn<T, 2>(x, b, row, rows, end);
    case 3: return DotColumn<T, 3>(x, b, row, rows, end);
    case 4: return DotColumn<T, 4>(x, b, row, rows, end);
    default: return DotColumn<T, 5>(x, b, row, rows, end);
  }
}

// The groups of columns pass a few rows of A (whole tiles) that stay in L1. Where B then does not fit beside them, and A
// does fit L2, all rows pass one group after the other instead.
constexpr int64_t kDotRowsTogether = 8;
constexpr int64_t kDotSmallBytes = 24 << 10;
constexpr int64_t kDotLargeBytes = 512 << 10;

// C = A B for at most kDotMaxColumns columns, rows of A contiguous. B is read in place where its columns are contiguous,
// else turned into `scratch` as tiles read it: for each kLanes of depth all columns' lanes in sequence.
template <typename T>
static void MultiplyByDots(const Product<T>& x, char* scratch) {
  constexpr int64_t kLanes = Lanes32<T>::kLanes;
  const int64_t groups = (x.n + kDotColumns - 1) / kDotColumns;
  for (int64_t begin = 0; begin < x.k; begin += kDotDepth) {
    const int64_t depth = x.k - begin < kDotDepth ? x.k - begin : kDotDepth;
    DotOperand<T> b{x.b + begin * x.b_row, x.b_column, kLanes};
    if (x.b_row != 1) {
      T* pack = reinterpret_cast<T*>(scratch);
      for (int64_t p = 0; p < depth; p += kLanes) {
        const int64_t rows = depth - p < kLanes ? depth - p : kLanes;
        Transpose<T, true>(b.data + p * x.b_row, x.b_row, rows, x.n, pack + p * x.n, kLanes);
      }
      b = {pack, kLanes, kLanes * x.n};
    }
    const DotEnd end{begin > 0, begin + depth == x.k};
    const int64_t row_bytes = depth * static_cast<int64_t>(sizeof(T));
    const bool by_groups = x.n * row_bytes > kDotSmallBytes && x.m <= kDotLargeBytes / row_bytes;
    const int64_t together = by_groups ? x.m : kDotRowsTogether;
    for (int64_t row = 0; row < x.m; row += together) {
      const int64_t rows = x.m - row < together ? x.m - row : together;
      for (int64_t g = 0; g < groups; g++) {
        const int64_t left = EvenPart(x.n, groups, g), right = EvenPart(x.n, groups, g + 1);
        Product<T> part = Part(x, 0, x.m, left, right);
        part.a += begin * x.a_column;
        part.k = depth;
        const DotOperand<T> columns{b.data + left * b.column, b.column, b.step};
        DotColumns<T>(static_cast<int>(right - left), part, columns, row, rows, end);
      }
    }
  }
}
