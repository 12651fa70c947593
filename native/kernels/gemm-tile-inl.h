// The register tile of a matrix product: C[rows, width registers] = or += A B over one block of depth, for every tile
// height and width. Knows nothing of blocks, packing order, transposition or threads: A comes by two strides, B as rows.

// Tile shapes. One FMA unit of 512 bits or two of 256 with a latency of 4 want at least 4 (8) independent chains, and
// accumulators + one row of B + one broadcast of A must fit the registers:
//   AVX-512 (32): 8 x 3 = 24 + 3 + 1; 8 rows that lie 4 KB apart just fit an 8-way cache set, and divide 32 and 128.
//   AVX2 (16): 4 x 3 = 12 + 3 + 1; narrower panels take taller tiles to keep 12 chains.
//   NEON (32): 6 x 3, as its broadcasts are hoisted into registers of their own; scalar (SSE2, 16): 4 x 3.
constexpr int kTileWidth = 3;  // registers
constexpr bool kTileIsTallWhenNarrow = kRegisterBytes == 32;
constexpr int TileRows(int width) {
  if (kTileIsTallWhenNarrow) return 12 / width;
  return kRegisterBytes == 64 ? 8 : MB_REGISTER_ISA == 1 ? 6 : 4;
}
// A single row has one chain per register of width: 8 hide the latency, and B is read once whatever the width.
constexpr int kRowWidth = 8;

// What the tiles of one panel of C share. Strides in elements.
template <typename T>
struct Panel {
  const T* a;       // A(i, p) = a[i * a_row + p * a_column]
  int64_t a_row;
  int64_t a_column;
  const T* b;       // B(p, j) = b[p * b_row + j], whole registers readable
  int64_t b_row;
  int64_t depth;
  T* c;             // C(i, j) = c[i * c_row + j]
  int64_t c_row;
  T* pack;          // where a packing tile leaves B, rows of `width` registers; else not used
  const T* bias;    // the epilogue: one per column, or nullptr
  int last;         // columns of C in the last register of a row
  bool add;         // C already holds the sum over earlier blocks of depth
  bool relu;
};

// The accumulators start at zero, take one FMA per p in rising order, and are added to C at the end of the block: that is
// the definition of the sum, the same for every tile shape and instruction set.
template <typename T, int kRows, int kWidth, bool kPack>
MB_REGISTER_INLINE void Tile(const Panel<T>& panel, const T* a, T* c) {
  using R = Register<T, kRegisterBytes>;
  using V = typename R::Value;
  constexpr int kLanes = R::kLanes;
  V sum[kRows][kWidth];
  MB_REGISTER_UNROLL
  for (int i = 0; i < kRows; i++) {
    MB_REGISTER_UNROLL
    for (int j = 0; j < kWidth; j++) sum[i][j] = V{};
  }
  // One pointer per three rows and the stride times 1 and 2 as an index: few registers, few additions per step.
  constexpr int kGroups = (kRows + 2) / 3;
  const T* rows[kGroups];
  MB_REGISTER_UNROLL
  for (int g = 0; g < kGroups; g++) rows[g] = a + 3 * g * panel.a_row;
  const int64_t a_row = panel.a_row, a_column = panel.a_column, b_row = panel.b_row;
  const T* b = panel.b;
  T* pack = panel.pack;
  for (int64_t p = panel.depth; p > 0; p--) {
    V right[kWidth];
    MB_REGISTER_UNROLL
    for (int j = 0; j < kWidth; j++) {
      right[j] = R::Load(b + j * kLanes);
      if constexpr (kPack) R::Store(pack + j * kLanes, right[j]);
    }
    MB_REGISTER_UNROLL
    for (int i = 0; i < kRows; i++) {
      const V left = R::Set(rows[i / 3][(i % 3) * a_row]);
      MB_REGISTER_UNROLL
      for (int j = 0; j < kWidth; j++) sum[i][j] = R::Fma(left, right[j], sum[i][j]);
    }
    MB_REGISTER_UNROLL
    for (int g = 0; g < kGroups; g++) {
      rows[g] += a_column;
      asm("" : "+r"(rows[g]));  // keeps GCC from a pointer per row
    }
    b += b_row;
    if constexpr (kPack) pack += kWidth * kLanes;
  }
  const bool full = panel.last == kLanes;
  if (panel.add) {
    MB_REGISTER_UNROLL
    for (int i = 0; i < kRows; i++) {
      const T* row = c + i * panel.c_row;
      MB_REGISTER_UNROLL
      for (int j = 0; j < kWidth; j++) {
        const bool whole = j + 1 < kWidth || full;
        sum[i][j] = (whole ? R::Load(row + j * kLanes) : R::LoadPartial(row + j * kLanes, panel.last)) + sum[i][j];
      }
    }
  }
  if (panel.bias) {
    MB_REGISTER_UNROLL
    for (int j = 0; j < kWidth; j++) {
      const bool whole = j + 1 < kWidth || full;
      const V bias = whole ? R::Load(panel.bias + j * kLanes) : R::LoadPartial(panel.bias + j * kLanes, panel.last);
      MB_REGISTER_UNROLL
      for (int i = 0; i < kRows; i++) sum[i][j] = sum[i][j] + bias;
    }
  }
  if (panel.relu) {
    MB_REGISTER_UNROLL
    for (int i = 0; i < kRows; i++) {
      MB_REGISTER_UNROLL
      for (int j = 0; j < kWidth; j++) sum[i][j] = R::Relu(sum[i][j]);
    }
  }
  MB_REGISTER_UNROLL
  for (int i = 0; i < kRows; i++) {
    T* row = c + i * panel.c_row;
    MB_REGISTER_UNROLL
    for (int j = 0; j + 1 < kWidth; j++) R::Store(row + j * kLanes, sum[i][j]);
    T* end = row + (kWidth - 1) * kLanes;
    if (full) R::Store(end, sum[i][kWidth - 1]);
    else R::StorePartial(end, sum[i][kWidth - 1], panel.last);
  }
}

// `count` tiles below each other, from row `begin` of the panel. Not inlined: one copy of each tile's code.
template <typename T, int kRows, int kWidth, bool kPack>
__attribute__((noinline)) static void TileColumn(const Panel<T>& panel, int64_t begin, int64_t count) {
  const T* a = panel.a + begin * panel.a_row;
  T* c = panel.c + begin * panel.c_row;
  for (int64_t t = 0; t < count; t++) {
    Tile<T, kRows, kWidth, kPack>(panel, a, c);
    a += kRows * panel.a_row;
    c += kRows * panel.c_row;
  }
}

template <typename T>
using TileFunction = void (*)(const Panel<T>&, int64_t, int64_t);

// Plain tiles: heights 1 to TileRows(width) for widths 1 to kTileWidth, and widths up to kRowWidth for one row.
template <typename T, int kWidth>
static TileFunction<T> TileOfWidth(int rows) {
  constexpr int kMost = kWidth <= kTileWidth ? TileRows(kWidth <= kTileWidth ? kWidth : 1) : 1;
#define MB_TILE_ROWS(r) \
  if constexpr (kMost >= r) { \
    if (rows == r) return TileColumn<T, r, kWidth, false>; \
  }
  MB_TILE_ROWS(1) MB_TILE_ROWS(2) MB_TILE_ROWS(3) MB_TILE_ROWS(4) MB_TILE_ROWS(5) MB_TILE_ROWS(6)
  MB_TILE_ROWS(7) MB_TILE_ROWS(8) MB_TILE_ROWS(9) MB_TILE_ROWS(10) MB_TILE_ROWS(11) MB_TILE_ROWS(12)
#undef MB_TILE_ROWS
  return nullptr;
}
template <typename T>
static TileFunction<T> FindTile(int rows, int width) {
  switch (width) {
    case 1: return TileOfWidth<T, 1>(rows);
    case 2: return TileOfWidth<T, 2>(rows);
    case 3: return TileOfWidth<T, 3>(rows);
    case 4: return TileOfWidth<T, 4>(rows);
    case 5: return TileOfWidth<T, 5>(rows);
    case 6: return TileOfWidth<T, 6>(rows);
    case 7: return TileOfWidth<T, 7>(rows);
    case 8: return TileOfWidth<T, 8>(rows);
    default: return nullptr;
  }
}

// Tiles that also copy their part of B, of the full height only.
template <typename T>
static TileFunction<T> FindPackingTile(int width) {
  switch (width) {
    case 1: return TileColumn<T, TileRows(1), 1, true>;
    case 2: return TileColumn<T, TileRows(2), 2, true>;
    case 3: return TileColumn<T, TileRows(3), 3, true>;
    default: return nullptr;
  }
}

// Rows [begin, begin + rows) of a panel in tiles of nearly equal height: a thin last tile would have too few chains.
template <typename T>
static void TileRowsEvenly(const Panel<T>& panel, int width, int64_t begin, int64_t rows) {
  if (rows <= 0) return;
  const int64_t most = width > kTileWidth ? 1 : TileRows(width);
  const int64_t tiles = (rows + most - 1) / most;
  const int64_t low = rows / tiles, taller = rows % tiles;
  if (taller > 0) FindTile<T>(static_cast<int>(low) + 1, width)(panel, begin, taller);
  FindTile<T>(static_cast<int>(low), width)(panel, begin + taller * (low + 1), tiles - taller);
}
