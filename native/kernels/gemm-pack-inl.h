// Copies of operands in the order a tile reads them: a panel of B as rows of whole registers, straight or transposed,
// zeros beyond the last column (their sums are thrown away, but leftovers there could be slow denormal numbers). Nothing is
// added along the depth, so packing does not touch the sum.

// The block that is transposed in registers: 8 x 8 floats or 4 x 4 doubles, never wider than a register of the tile,
// so that a padded block stays inside the row of a panel.
constexpr int kTransposeBytes = kRegisterBytes < 32 ? kRegisterBytes : 32;
template <typename T>
constexpr int kTransposeBlock = kTransposeBytes / static_cast<int>(sizeof(T));

// dst[c * dst_stride + r] = src[r * src_stride + c] for one whole block. Rows r and r + half share a register, loaded by
// halves, so that only shuffles inside 128 bits remain: half of the shuffles of the usual way.
#if MB_REGISTER_ISA >= 2
MB_REGISTER_INLINE void TransposeBlock(const float* src, int64_t src_stride, float* dst, int64_t dst_stride) {
  using R = Lanes32<float>;
  MB_REGISTER_UNROLL
  for (int half = 0; half < 2; half++) {
    R::Value x[4];
    MB_REGISTER_UNROLL
    for (int i = 0; i < 4; i++) x[i] = R::Join(src + i * src_stride + 4 * half, src + (i + 4) * src_stride + 4 * half);
    const R::Value t0 = MB_REGISTER_SHUFFLE(Index8x32, x[0], x[1], 0, 8, 1, 9, 4, 12, 5, 13);
    const R::Value t1 = MB_REGISTER_SHUFFLE(Index8x32, x[0], x[1], 2, 10, 3, 11, 6, 14, 7, 15);
    const R::Value t2 = MB_REGISTER_SHUFFLE(Index8x32, x[2], x[3], 0, 8, 1, 9, 4, 12, 5, 13);
    const R::Value t3 = MB_REGISTER_SHUFFLE(Index8x32, x[2], x[3], 2, 10, 3, 11, 6, 14, 7, 15);
    float* out = dst + 4 * half * dst_stride;
    R::Store(out, MB_REGISTER_SHUFFLE(Index8x32, t0, t2, 0, 1, 8, 9, 4, 5, 12, 13));
    R::Store(out + dst_stride, MB_REGISTER_SHUFFLE(Index8x32, t0, t2, 2, 3, 10, 11, 6, 7, 14, 15));
    R::Store(out + 2 * dst_stride, MB_REGISTER_SHUFFLE(Index8x32, t1, t3, 0, 1, 8, 9, 4, 5, 12, 13));
    R::Store(out + 3 * dst_stride, MB_REGISTER_SHUFFLE(Index8x32, t1, t3, 2, 3, 10, 11, 6, 7, 14, 15));
  }
}
MB_REGISTER_INLINE void TransposeBlock(const double* src, int64_t src_stride, double* dst, int64_t dst_stride) {
  using R = Lanes32<double>;
  MB_REGISTER_UNROLL
  for (int half = 0; half < 2; half++) {
    R::Value x[2];
    MB_REGISTER_UNROLL
    for (int i = 0; i < 2; i++) x[i] = R::Join(src + i * src_stride + 2 * half, src + (i + 2) * src_stride + 2 * half);
    double* out = dst + 2 * half * dst_stride;
    R::Store(out, MB_REGISTER_SHUFFLE(Index4x64, x[0], x[1], 0, 4, 2, 6));
    R::Store(out + dst_stride, MB_REGISTER_SHUFFLE(Index4x64, x[0], x[1], 1, 5, 3, 7));
  }
}
#else
template <typename T>
MB_REGISTER_INLINE void TransposeBlock(const T* src, int64_t src_stride, T* dst, int64_t dst_stride) {
  for (int r = 0; r < kTransposeBlock<T>; r++) {
    for (int c = 0; c < kTransposeBlock<T>; c++) dst[c * dst_stride + r] = src[r * src_stride + c];
  }
}
#endif

// dst[c * dst_stride + r] = src[r * src_stride + c] for r < rows, c < columns.
// kPad: rows of dst are written up to a multiple of the block, with zeros; the caller's buffer has the room.
template <typename T, bool kPad>
static void Transpose(const T* src, int64_t src_stride, int64_t rows, int64_t columns, T* dst, int64_t dst_stride) {
  constexpr int kBlock = kTransposeBlock<T>;
  for (int64_t r = 0; r < rows; r += kBlock) {
    const T* from = src + r * src_stride;
    T* to = dst + r;
    const int64_t height = rows - r < kBlock ? rows - r : kBlock;
    int64_t c = 0;
    if (height == kBlock) {
      for (; c + kBlock <= columns; c += kBlock) TransposeBlock(from + c, src_stride, to + c * dst_stride, dst_stride);
    }
    // Edges of less than a block: as many moves as elements are still cheaper than turning a padded copy.
    for (; c < columns; c++) {
      T* row = to + c * dst_stride;
      for (int64_t i = 0; i < height; i++) row[i] = from[i * src_stride + c];
      if constexpr (kPad) {
        for (int64_t i = height; i < kBlock; i++) row[i] = 0;
      }
    }
  }
}

// As Transpose without padding, adding to dst instead of overwriting when `add` is set: the store of a transposed tile.
template <typename T>
static void TransposeInto(const T* src, int64_t src_stride, int64_t rows, int64_t columns, T* dst, int64_t dst_stride, bool add) {
  constexpr int kBlock = kTransposeBlock<T>;
  using R = Register<T, kTransposeBytes>;
  if (!add) return Transpose<T, false>(src, src_stride, rows, columns, dst, dst_stride);
  for (int64_t r = 0; r < rows; r += kBlock) {
    for (int64_t c = 0; c < columns; c += kBlock) {
      const T* from = src + r * src_stride + c;
      T* to = dst + c * dst_stride + r;
      if (r + kBlock <= rows && c + kBlock <= columns) {
        alignas(32) T turned[kBlock * kBlock];
        TransposeBlock(from, src_stride, turned, kBlock);
        for (int i = 0; i < kBlock; i++) R::Store(to + i * dst_stride, R::Load(to + i * dst_stride) + R::Load(turned + i * kBlock));
        continue;
      }
      for (int64_t j = 0; j < kBlock && c + j < columns; j++) {
        for (int64_t i = 0; i < kBlock && r + i < rows; i++) to[j * dst_stride + i] += from[i * src_stride + j];
      }
    }
  }
}

// `width` registers of columns of B, of which `columns` exist, over `depth` rows, as rows of width registers.
// B(p, j) = b[p * b_row + j * b_column], one of the strides being 1.
template <typename T>
static void PackPanel(const T* b, int64_t b_row, int64_t b_column, int64_t depth, int width, int64_t columns, T* pack) {
  using R = Register<T, kRegisterBytes>;
  constexpr int kLanes = R::kLanes;
  const int64_t stride = static_cast<int64_t>(width) * kLanes;
  if (b_column != 1) {
    // Whole registers of zeros that the transposition does not reach.
    for (int64_t j = (columns + kTransposeBlock<T> - 1) / kTransposeBlock<T> * kTransposeBlock<T>; j < stride; j++) {
      for (int64_t p = 0; p < depth; p++) pack[p * stride + j] = 0;
    }
    return Transpose<T, true>(b, b_column, columns, depth, pack, stride);
  }
  const int64_t whole = columns / kLanes;
  const int rest = static_cast<int>(columns % kLanes);
  for (int64_t p = 0; p < depth; p++) {
    const T* row = b + p * b_row;
    T* to = pack + p * stride;
    for (int64_t j = 0; j < whole; j++) R::Store(to + j * kLanes, R::Load(row + j * kLanes));
    if (rest > 0) R::Store(to + whole * kLanes, R::LoadPartial(row + whole * kLanes, rest));
  }
}
