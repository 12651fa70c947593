// Walks an output's elements in order together with inputs that broadcast against it (NumPy's rule): axes that move
// alike are joined, so that the innermost run is as long as it can be. Knows no op.

// kInputs inputs against one output. Axis 0 is the innermost; there each input's stride is 0 or 1.
template <int kInputs> struct Broadcast {
  int rank;
  int64_t shape[kMaxRank];
  int64_t strides[kInputs][kMaxRank];

  int64_t inner() const { return rank == 0 ? 1 : shape[0]; }
  // Whether input k moves along the innermost axis. A single element may be read either way.
  bool moves(int k) const { return rank == 0 || strides[k][0] == 1; }
};

// Whether x broadcasts to the shape of y.
static inline bool BroadcastsTo(const Slice& x, const Slice& y) {
  if (x.rank > y.rank) return false;
  for (int i = 1; i <= x.rank; i++) {
    const int64_t n = x.shape[x.rank - i];
    if (n != 1 && n != y.shape[y.rank - i]) return false;
  }
  return true;
}

template <int kInputs> static Broadcast<kInputs> JoinAxes(const Call& call) {
  Broadcast<kInputs> b{};
  const Slice& y = call.out[0];
  int64_t stride[kInputs];
  for (int k = 0; k < kInputs; k++) stride[k] = 1;
  for (int i = 1; i <= y.rank; i++) {
    const int64_t n = y.shape[y.rank - i];
    int64_t here[kInputs];
    for (int k = 0; k < kInputs; k++) {
      const Slice& x = call.in[k];
      const int64_t own = i <= x.rank ? x.shape[x.rank - i] : 1;
      here[k] = own == 1 ? 0 : stride[k];
      stride[k] *= own;
    }
    if (n == 1) continue;
    bool joins = b.rank > 0;
    for (int k = 0; k < kInputs && joins; k++) joins = here[k] == b.strides[k][b.rank - 1] * b.shape[b.rank - 1];
    if (joins) {
      b.shape[b.rank - 1] *= n;
      continue;
    }
    b.shape[b.rank] = n;
    for (int k = 0; k < kInputs; k++) b.strides[k][b.rank] = here[k];
    b.rank++;
  }
  return b;
}

// f(at, n, offsets) for the runs along the innermost axis that make up output elements [begin, end).
template <int kInputs, typename F>
static inline void WalkRuns(const Broadcast<kInputs>& b, int64_t begin, int64_t end, const F& f) {
  if (begin >= end) return;
  const int64_t inner = b.inner();
  int64_t index[kMaxRank] = {};
  int64_t row = begin / inner;
  int64_t offsets[kInputs] = {};
  for (int i = 1; i < b.rank; i++) {
    index[i] = row % b.shape[i];
    row /= b.shape[i];
    for (int k = 0; k < kInputs; k++) offsets[k] += index[i] * b.strides[k][i];
  }
  int64_t first = begin % inner;
  for (int64_t at = begin; at < end;) {
    const int64_t left = inner - first, n = left < end - at ? left : end - at;
    int64_t starts[kInputs];
    for (int k = 0; k < kInputs; k++) starts[k] = offsets[k] + (b.moves(k) ? first : 0);
    f(at, n, starts);
    at += n;
    first = 0;
    for (int i = 1; i < b.rank; i++) {
      for (int k = 0; k < kInputs; k++) offsets[k] += b.strides[k][i];
      if (++index[i] < b.shape[i]) break;
      index[i] = 0;
      for (int k = 0; k < kInputs; k++) offsets[k] -= b.shape[i] * b.strides[k][i];
    }
  }
}
