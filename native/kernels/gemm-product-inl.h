// A matrix product as the drivers see it: sizes, strides and epilogue, with the views (a part of it, its transpose) that
// turn every case into C = A B with C in rows. Knows nothing of tiles and calls.

// C(i, j) = sum over p of A(i, p) B(p, j), then bias, then activation. Strides in elements.
template <typename T>
struct Product {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_column;
  const T* b;
  int64_t b_row, b_column;
  T* c;
  int64_t c_row, c_column;
  const T* bias;  // one per column of C, or nullptr
  bool relu;
};

// Rows [top, bottom) and columns [left, right) of C.
template <typename T>
static Product<T> Part(const Product<T>& whole, int64_t top, int64_t bottom, int64_t left, int64_t right) {
  Product<T> part = whole;
  part.m = bottom - top;
  part.n = right - left;
  part.a += top * whole.a_row;
  part.b += left * whole.b_column;
  part.c += top * whole.c_row + left * whole.c_column;
  if (part.bias) part.bias += left;
  return part;
}

// C^T = B^T A^T: the same sums bit for bit, since a b = b a inside a fused multiply-add. Without bias only.
template <typename T>
static Product<T> Transposed(const Product<T>& x) {
  return {x.n, x.m, x.k, x.b, x.b_column, x.b_row, x.a, x.a_column, x.a_row, x.c, x.c_column, x.c_row, nullptr, x.relu};
}

// Where part i of `parts` nearly equal parts of `total` begins, the larger ones first.
static inline int64_t EvenPart(int64_t total, int64_t parts, int64_t i) {
  const int64_t low = total / parts, larger = total % parts;
  return i * low + (i < larger ? i : larger);
}
