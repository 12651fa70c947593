// The loops around the tiles: blocks of depth, of rows and of columns, and what is packed when. One thread, one part of C.
// Nothing here changes a bit of the result but kDepthBlock.

// A sum over k is cut into ceil(k / kDepthBlock) nearly equal blocks, each one chain of fused multiply-adds, added in order:
// part of the definition of the result, the same everywhere. The error of a chain grows with its length, and every block
// loads and stores C once more: 384 rounds like oneDNN and OpenBLAS (root mean square at k = 784: 6.8e-7, theirs 7.2e-7 and 6.9e-7),
// 512 by a fifth to a third more and is 0.5 to 1 % quicker with AVX-512, not with AVX2, whose packed panel (96 bytes x depth) then
// outgrows 32 KB of L1.
constexpr int64_t kDepthBlock = 384;
// Rows x depth of A read again for every panel: a quarter of a 1 MB L2, half of one of 512 KB.
constexpr int64_t kRowBlockBytes = 256 << 10;
constexpr int64_t kMinRowBlock = 64;
// Rows of B this far apart cost more in place (TLB, cache sets) than a packing pass that reads them in sequence, where
// enough rows of A share the pass.
constexpr int64_t kWholePackRowBytes = 3072;
constexpr int64_t kWholePackRows = 128;
constexpr int64_t kPackRows = 8;
// AVX2 packs a panel while its first tile computes, from this many tiles on: its tiles ask 16 bytes of B per cycle, and rows
// of B in place fall into few sets of L1. AVX-512 tiles ask 8 bytes, which L2 supplies whatever the stride.
constexpr bool kPackOnFirstUse = MB_REGISTER_ISA == 2;
constexpr int64_t kPackOnFirstUseTiles = 2;
// A last partial register gets a panel of its own where a whole packed panel would not pay.
constexpr int64_t kFewRows = 16;

// The end of the worker's scratch holds a transposed tile column before it is turned into C.
constexpr int64_t kTurnedRows = 48;
constexpr int64_t kTurnedBytes = kTurnedRows * kTileWidth * kRegisterBytes;
constexpr int64_t kPackBytes = kWorkerScratch - ((kTurnedBytes + 4095) / 4096 * 4096);

template <typename T>
static bool RowsAreFar(const Product<T>& x) {
  return x.m >= kWholePackRows && x.b_row * static_cast<int64_t>(sizeof(T)) >= kWholePackRowBytes;
}

template <typename T>
struct Blocks {
  static constexpr int64_t kLanes = Register<T, kRegisterBytes>::kLanes;
  const Product<T>& x;
  char* scratch;
  bool turned;  // C in columns: tiles go through a buffer

  static int64_t PanelWidth(int64_t rows) { return rows == 1 ? kRowWidth : kTileWidth; }

  // Calls f(first column, width in registers) for the panels of columns [left, right).
  template <typename F>
  static void ForPanels(int64_t left, int64_t right, int64_t rows, F f) {
    int64_t whole = (right - left + kLanes - 1) / kLanes;
    const bool apart = rows < kFewRows && (right - left) % kLanes != 0 && whole > 1;
    if (apart) whole--;
    const int64_t most = PanelWidth(rows), panels = (whole + most - 1) / most;
    for (int64_t i = 0; i < panels; i++) {
      const int64_t begin = EvenPart(whole, panels, i), end = EvenPart(whole, panels, i + 1);
      f(left + begin * kLanes, static_cast<int>(end - begin));
    }
    if (apart) f(left + whole * kLanes, 1);
  }

  // Rows [top, bottom) x the panel at `left` over depth [begin, end). `packed` holds B where it was packed before.
  void RunPanel(int64_t top, int64_t bottom, int64_t left, int width, int64_t begin, int64_t end, const T* packed) const {
    const int64_t rows = bottom - top, span = width * kLanes;
    const int64_t columns = x.n - left < span ? x.n - left : span;
    Panel<T> panel;
    panel.a = x.a + top * x.a_row + begin * x.a_column;
    panel.a_row = x.a_row;
    panel.a_column = x.a_column;
    panel.b = x.b + begin * x.b_row + left * x.b_column;
    panel.b_row = x.b_row;
    panel.depth = end - begin;
    panel.c = x.c + top * x.c_row + left * x.c_column;
    panel.c_row = x.c_row;
    panel.pack = reinterpret_cast<T*>(scratch);
    panel.last = static_cast<int>(columns - (width - 1) * kLanes);
    panel.add = begin > 0;
    panel.bias = end == x.k && x.bias ? x.bias + left : nullptr;
    panel.relu = end == x.k && x.relu;
    T* buffer = reinterpret_cast<T*>(scratch + kPackBytes);
    if (turned) {
      panel.c = buffer;
      panel.c_row = span;
      panel.last = static_cast<int>(kLanes);
      panel.add = false;
    }
    int64_t done = 0;
    if (packed) {
      panel.b = packed;
      panel.b_row = span;
    } else if (x.b_column != 1 || columns < span) {
      PackPanel(panel.b, x.b_row, x.b_column, panel.depth, width, columns, panel.pack);
      panel.b = panel.pack;
      panel.b_row = span;
    } else if (kPackOnFirstUse && width <= kTileWidth && rows >= kPackOnFirstUseTiles * TileRows(width)) {
      FindPackingTile<T>(width)(panel, 0, 1);
      done = TileRows(width);
      panel.b = panel.pack;
      panel.b_row = span;
    }
    TileRowsEvenly(panel, width, done, rows - done);
    if (turned) TransposeInto(buffer, span, rows, columns, x.c + top + left * x.c_column, x.c_column, begin > 0);
  }

  // All panels of columns [left, right), a few rows of B at a time so that they are read in sequence.
  void PackColumns(int64_t left, int64_t right, int64_t begin, int64_t end) const {
    const int64_t step = x.b_column == 1 ? kPackRows : end - begin;
    for (int64_t p = begin; p < end; p += step) {
      const int64_t rows = end - p < step ? end - p : step;
      T* to = reinterpret_cast<T*>(scratch);
      ForPanels(left, right, x.m, [&](int64_t column, int width) {
        const int64_t span = width * kLanes, columns = x.n - column < span ? x.n - column : span;
        PackPanel(x.b + p * x.b_row + column * x.b_column, x.b_row, x.b_column, rows, width, columns, to + (p - begin) * span);
        to += (end - begin) * span;
      });
    }
  }

  // Columns [left, right) over depth [begin, end), all rows.
  void RunColumns(int64_t left, int64_t right, int64_t begin, int64_t end, bool whole_pack, int64_t row_blocks) const {
    if (whole_pack) PackColumns(left, right, begin, end);
    const int64_t units = (x.m + 7) / 8;  // blocks begin at multiples of 8 rows
    for (int64_t r = 0; r < row_blocks; r++) {
      const int64_t top = EvenPart(units, row_blocks, r) * 8, next = EvenPart(units, row_blocks, r + 1) * 8;
      const int64_t bottom = next < x.m ? next : x.m;
      const T* packed = whole_pack ? reinterpret_cast<const T*>(scratch) : nullptr;
      ForPanels(left, right, x.m, [&](int64_t column, int width) {
        RunPanel(top, bottom, column, width, begin, end, packed);
        if (packed) packed += (end - begin) * width * kLanes;
      });
    }
  }

  void Run() const {
    const int64_t depth_blocks = (x.k + kDepthBlock - 1) / kDepthBlock;
    for (int64_t d = 0; d < depth_blocks; d++) {
      const int64_t begin = EvenPart(x.k, depth_blocks, d), end = EvenPart(x.k, depth_blocks, d + 1);
      const int64_t row_bytes = (end - begin) * static_cast<int64_t>(sizeof(T));
      int64_t row_block = kRowBlockBytes / row_bytes;
      if (row_block < kMinRowBlock) row_block = kMinRowBlock;
      if (turned) row_block = kTurnedRows;
      const int64_t row_blocks = (x.m + row_block - 1) / row_block;
      const bool whole_pack = x.b_column == 1 ? RowsAreFar(x) : row_blocks > 1;
      const int64_t span = PanelWidth(x.m) * kLanes;
      int64_t column_block = x.n;
      if (whole_pack) {
        column_block = kPackBytes / row_bytes / span * span;
        // Nearly equal blocks, and each of at least one panel.
        const int64_t blocks = (x.n + column_block - 1) / column_block;
        column_block = ((x.n + blocks - 1) / blocks + span - 1) / span * span;
      }
      for (int64_t left = 0; left < x.n; left += column_block) {
        const int64_t right = x.n - left < column_block ? x.n : left + column_block;
        RunColumns(left, right, begin, end, whole_pack, row_blocks);
      }
    }
  }
};

// C = A B in tiles, for any sizes > 0, where B has one stride of 1 and C has too.
template <typename T>
static void MultiplyByTiles(const Product<T>& x, char* scratch) {
  const Blocks<T> blocks{x, scratch, x.c_column != 1};
  blocks.Run();
}
