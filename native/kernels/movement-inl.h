// Kernels that copy without computing, for elements of 1, 4 or 8 bytes whatever their type: transpose, slice, broadcastTo,
// concat, pad, and the plain copies reshape, view and pack. By index: indexing-inl.h.

template <typename U> MB_INLINE void CopyElements(U* to, const U* from, int64_t n) {
  __builtin_memmove(to, from, static_cast<size_t>(n) * sizeof(U));  // an output may lie exactly on its input
}
template <typename U> MB_INLINE void FillElements(U* to, U value, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = value;
}

// run for elements of the output's size: F<U>::Run(...).
template <template <typename> class F>
static void RunSized(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
  const int64_t bytes = BytesOf(call.out[0].dtype);
  if (bytes == 4) F<uint32_t>::Run(call, phase, begin, end, worker);
  else if (bytes == 8) F<uint64_t>::Run(call, phase, begin, end, worker);
  else F<uint8_t>::Run(call, phase, begin, end, worker);
}
static int64_t OutputPieces(const Call& call, int32_t) { return CountPieces(call.out[0].size, kPieceElements); }

// The list attribute that begins at `at`: its items, whole and from 0 on, and where the next attribute begins.
struct List {
  const double* items;
  int32_t count, next;  // count < 0: not such a list
};
static List ReadList(const Call& call, int32_t at) {
  const List none{nullptr, -1, 0};
  if (at < 0 || at >= call.attribute_count || !IsWholeIn(call.attributes[at], 0, kMaxRank)) return none;
  const int32_t count = static_cast<int32_t>(call.attributes[at]);
  if (count > call.attribute_count - at - 1) return none;
  for (int32_t i = 0; i < count; i++) {
    if (!IsWholeIn(call.attributes[at + 1 + i], 0, INT64_C(1) << 52)) return none;
  }
  return {call.attributes + at + 1, count, at + 1 + count};
}

// ---- an output read from anywhere in one input ----

// Output axes, the innermost first, with the input's stride along each; axes that move alike are joined.
struct Reading {
  int rank;
  int64_t first;
  int64_t shape[kMaxRank], strides[kMaxRank];
};
static Reading JoinReading(const Slice& y, int64_t first, const int64_t* strides) {
  Reading r{};
  r.first = first;
  for (int i = y.rank - 1; i >= 0; i--) {
    if (y.shape[i] == 1) continue;
    if (r.rank > 0 && strides[i] == r.strides[r.rank - 1] * r.shape[r.rank - 1]) {
      r.shape[r.rank - 1] *= y.shape[i];
      continue;
    }
    r.shape[r.rank] = y.shape[i];
    r.strides[r.rank++] = strides[i];
  }
  if (r.rank == 0) {
    r.shape[0] = 1;
    r.strides[0] = 1;
    r.rank = 1;
  }
  return r;
}
static void StridesOf(const Slice& x, int64_t* strides) {
  int64_t stride = 1;
  for (int i = x.rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= x.shape[i];
  }
}

// Where element `row` of the axes from `from` on lies in the input.
static int64_t OffsetOf(const Reading& r, int from, int skip, int64_t row, int64_t* out_offset) {
  int64_t offset = r.first, out_stride = 1, out = 0;
  for (int i = 0; i < r.rank; i++) {
    if (i >= from && i != skip) {
      const int64_t index = row % r.shape[i];
      row /= r.shape[i];
      offset += index * r.strides[i];
      out += index * out_stride;
    }
    out_stride *= r.shape[i];
  }
  *out_offset = out;
  return offset;
}

template <typename U> static void CopyRows(const Reading& r, const U* x, U* y, Span span) {
  const int64_t inner = r.shape[0], step = r.strides[0];
  for (int64_t at = span.begin; at < span.end;) {
    const int64_t first = at % inner, left = inner - first, n = left < span.end - at ? left : span.end - at;
    int64_t unused;
    const U* from = x + OffsetOf(r, 1, -1, at / inner, &unused) + first * step;
    if (step == 1) CopyElements(y + at, from, n);
    else if (step == 0) FillElements(y + at, *from, n);
    else for (int64_t i = 0; i < n; i++) y[at + i] = from[i * step];
    at += n;
  }
}

// Planes of the innermost output axis (input stride `step`) and of the axis that is innermost in the input: in squares
// of 16 x 16, so that a cache line of either side is used whole.
constexpr int64_t kSquare = 16;
template <typename U>
static void TurnSquare(const U* from, int64_t from_stride, U* to, int64_t to_stride, int64_t rows, int64_t columns) {
  // to[j * to_stride + i] = from[i * from_stride + j]
  int64_t i = 0;
  if constexpr (sizeof(U) == 4) {
    for (; i + 4 <= rows; i += 4) {
      int64_t j = 0;
      for (; j + 4 <= columns; j += 4) TurnTile(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
      for (; j < columns; j++) {
        for (int64_t k = i; k < i + 4; k++) to[j * to_stride + k] = from[k * from_stride + j];
      }
    }
  }
  for (; i < rows; i++) {
    for (int64_t j = 0; j < columns; j++) to[j * to_stride + i] = from[i * from_stride + j];
  }
}
// Axis of the output, not its innermost, along which the input is contiguous; 0 when there is none.
static int TurnedAxis(const Reading& r) {
  if (r.strides[0] <= 1) return 0;
  for (int i = 1; i < r.rank; i++) {
    if (r.strides[i] == 1) return i;
  }
  return 0;
}
static int64_t TurnedUnits(const Reading& r, int axis) {
  int64_t units = (r.shape[axis] + kSquare - 1) / kSquare;
  for (int i = 1; i < r.rank; i++) units *= i == axis ? 1 : r.shape[i];
  return units;
}
static int64_t TurnedUnitsPerPiece(const Reading& r) { return RowsPerPiece(r.shape[0] * kSquare, 2); }

template <typename U> static void TurnPlanes(const Reading& r, int axis, const U* x, U* y, Span units) {
  const int64_t strips = (r.shape[axis] + kSquare - 1) / kSquare;
  int64_t out_stride = 1;
  for (int i = 0; i < axis; i++) out_stride *= r.shape[i];
  for (int64_t unit = units.begin; unit < units.end; unit++) {
    const int64_t j = unit % strips * kSquare;
    const int64_t columns = r.shape[axis] - j < kSquare ? r.shape[axis] - j : kSquare;
    int64_t out = 0;
    const U* from = x + OffsetOf(r, 1, axis, unit / strips, &out) + j;
    U* to = y + out + j * out_stride;
    for (int64_t i = 0; i < r.shape[0]; i += kSquare) {
      const int64_t rows = r.shape[0] - i < kSquare ? r.shape[0] - i : kSquare;
      TurnSquare(from + i * r.strides[0], r.strides[0], to + i, out_stride, rows, columns);
    }
  }
}

static int64_t ReadingPieces(const Reading& r, int64_t size) {
  if (size == 0) return 1;
  const int axis = TurnedAxis(r);
  return axis > 0 ? CountPieces(TurnedUnits(r, axis), TurnedUnitsPerPiece(r)) : CountPieces(size, kPieceElements);
}
template <typename U> static void RunReading(const Call& call, const Reading& r, int64_t begin, int64_t end) {
  const int64_t size = call.out[0].size;
  if (size == 0) return;
  const U* x = In<U>(call, 0);
  U* y = Out<U>(call, 0);
  const int axis = TurnedAxis(r);
  if (axis > 0) TurnPlanes(r, axis, x, y, ItemsOf(TurnedUnits(r, axis), TurnedUnitsPerPiece(r), begin, end));
  else CopyRows(r, x, y, ItemsOf(size, kPieceElements, begin, end));
}

static const char* CheckMove(const Call& call, int inputs) {
  if (call.inputs != inputs || call.outputs != 1) return "wrong number of inputs or outputs";
  return call.in[0].dtype == call.out[0].dtype ? nullptr : "the result must have the dtype of x";
}

// The three ops that only say where to read.
struct TransposeReading {
  static const char* Check(const Call& call) {
    if (const char* wrong = CheckMove(call, 1)) return wrong;
    const Slice &x = call.in[0], &y = call.out[0];
    const List axes = ReadList(call, 0);
    if (axes.count != x.rank || axes.next != call.attribute_count || y.rank != x.rank) return "axes must name every axis once";
    uint32_t seen = 0;
    for (int i = 0; i < x.rank; i++) {
      if (!IsWholeIn(axes.items[i], 0, x.rank - 1)) return "axes must name every axis once";
      const int axis = static_cast<int>(axes.items[i]);
      seen |= 1u << axis;
      if (y.shape[i] != x.shape[axis]) return "axis i of the result must have the size of axis axes[i]";
    }
    return seen == (1u << x.rank) - 1u ? nullptr : "axes must name every axis once";
  }
  static Reading Of(const Call& call) {
    int64_t own[kMaxRank], strides[kMaxRank];
    StridesOf(call.in[0], own);
    for (int i = 0; i < call.in[0].rank; i++) strides[i] = own[static_cast<int>(call.attributes[1 + i])];
    return JoinReading(call.out[0], 0, strides);
  }
};
struct SliceReading {
  static const char* Check(const Call& call) {
    if (const char* wrong = CheckMove(call, 1)) return wrong;
    const Slice &x = call.in[0], &y = call.out[0];
    const List begin = ReadList(call, 0), size = ReadList(call, begin.next);
    if (begin.count != x.rank || size.count != x.rank || size.next != call.attribute_count || y.rank != x.rank) return "begin and size must have an item per axis";
    for (int i = 0; i < x.rank; i++) {
      if (size.items[i] != static_cast<double>(y.shape[i])) return "the result must have the shape size";
      if (begin.items[i] + size.items[i] > static_cast<double>(x.shape[i])) return "begin and size must lie inside x";
    }
    return nullptr;
  }
  static Reading Of(const Call& call) {
    int64_t strides[kMaxRank], first = 0;
    StridesOf(call.in[0], strides);
    for (int i = 0; i < call.in[0].rank; i++) first += static_cast<int64_t>(call.attributes[1 + i]) * strides[i];
    return JoinReading(call.out[0], first, strides);
  }
};
struct BroadcastReading {
  static const char* Check(const Call& call) {
    if (const char* wrong = CheckMove(call, 1)) return wrong;
    return BroadcastsTo(call.in[0], call.out[0]) ? nullptr : "x must broadcast to the shape of the result";
  }
  static Reading Of(const Call& call) {
    const Slice &x = call.in[0], &y = call.out[0];
    int64_t own[kMaxRank], strides[kMaxRank];
    StridesOf(x, own);
    for (int i = 0; i < y.rank; i++) {
      const int axis = i - (y.rank - x.rank);
      strides[i] = axis < 0 || x.shape[axis] == 1 ? 0 : own[axis];
    }
    return JoinReading(y, 0, strides);
  }
};
template <typename From> struct ReadingLoop {
  template <typename U> struct Of {
    static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) { RunReading<U>(call, From::Of(call), begin, end); }
  };
  static int64_t Pieces(const Call& call, int32_t) { return ReadingPieces(From::Of(call), call.out[0].size); }
};
template <typename From> constexpr Kernel ReadFrom(const char* name) {
  return {name, From::Check, nullptr, nullptr, ReadingLoop<From>::Pieces, RunSized<ReadingLoop<From>::template Of>};
}

// ---- plain copies ----

static const char* CheckReshape(const Call& call) {
  if (const char* wrong = CheckMove(call, 1)) return wrong;
  return call.in[0].size == call.out[0].size ? nullptr : "the number of elements must stay the same";
}
// view(segment) {offset, shape}
static const char* CheckView(const Call& call) {
  if (const char* wrong = CheckMove(call, 1)) return wrong;
  if (call.attribute_count < 1 || !IsWholeIn(call.attributes[0], 0, call.in[0].size)) return "offset must lie inside the segment";
  return call.out[0].size <= call.in[0].size - static_cast<int64_t>(call.attributes[0]) ? nullptr : "the view must end inside the segment";
}
template <typename U> struct CopyLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Span span = ItemsOf(call.out[0].size, kPieceElements, begin, end);
    const bool view = call.in[0].size != call.out[0].size;
    const int64_t offset = view ? static_cast<int64_t>(call.attributes[0]) : 0;
    CopyElements(Out<U>(call, 0) + span.begin, In<U>(call, 0) + offset + span.begin, span.end - span.begin);
  }
};

// ---- concat(x1..xn) {axis} ----

static const char* CheckConcat(const Call& call) {
  if (call.inputs < 1 || call.outputs != 1 || call.attribute_count != 1) return "takes tensors and an axis";
  const Slice& y = call.out[0];
  if (!IsWholeIn(call.attributes[0], 0, y.rank - 1)) return "axis must lie inside the rank";
  const int axis = static_cast<int>(call.attributes[0]);
  int64_t total = 0;
  for (int k = 0; k < call.inputs; k++) {
    const Slice& x = call.in[k];
    if (x.dtype != y.dtype || x.rank != y.rank) return "inputs must have the dtype and rank of the result";
    for (int i = 0; i < y.rank; i++) {
      if (i != axis && x.shape[i] != y.shape[i]) return "all axes but one must be equal";
    }
    if (x.shape[axis] > y.shape[axis] - total) return "the inputs must fill the result";
    total += x.shape[axis];
  }
  return total == y.shape[axis] ? nullptr : "the inputs must fill the result";
}
template <typename U> struct ConcatLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Slice& y = call.out[0];
    if (y.size == 0) return;
    const Span span = ItemsOf(y.size, kPieceElements, begin, end);
    const int axis = static_cast<int>(call.attributes[0]);
    const int64_t width = SplitAt(y, axis, 1).n * SplitAt(y, axis, 1).inner;
    for (int64_t o = span.begin / width; o * width < span.end; o++) {
      int64_t start = o * width;
      for (int k = 0; k < call.inputs && start < span.end; k++) {
        const Split s = SplitAt(call.in[k], axis, 1);
        const int64_t n = s.n * s.inner;
        const int64_t from = start > span.begin ? start : span.begin, to = start + n < span.end ? start + n : span.end;
        if (from < to) CopyElements(Out<U>(call, 0) + from, In<U>(call, k) + o * n + (from - start), to - from);
        start += n;
      }
    }
  }
};

// ---- pack(g1..gn) {offsets, size}: flat pieces at their offsets, zeros between ----

// Offsets may be more than a shape's axes: read without ReadList.
static const char* CheckPack(const Call& call) {
  if (call.outputs != 1 || call.attribute_count != call.inputs + 2) return "takes a gradient per offset, and a size";
  const double* a = call.attributes;
  const Slice& y = call.out[0];
  if (a[0] != call.inputs || a[call.inputs + 1] != static_cast<double>(y.size)) return "offsets and size must fit the inputs and the result";
  int64_t free = 0;
  for (int k = 0; k < call.inputs; k++) {
    if (call.in[k].dtype != y.dtype) return "inputs must have the dtype of the result";
    if (!IsWholeIn(a[1 + k], free, y.size)) return "offsets must ascend without overlap";
    if (call.in[k].size > y.size - static_cast<int64_t>(a[1 + k])) return "the parts must end inside the result";
    free = static_cast<int64_t>(a[1 + k]) + call.in[k].size;
  }
  return nullptr;
}
template <typename U> struct PackLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Span span = ItemsOf(call.out[0].size, kPieceElements, begin, end);
    U* y = Out<U>(call, 0);
    int64_t at = span.begin;
    for (int k = 0; k < call.inputs; k++) {
      const int64_t start = static_cast<int64_t>(call.attributes[1 + k]), stop = start + call.in[k].size;
      const int64_t from = start > at ? start : at, to = stop < span.end ? stop : span.end;
      if (from >= to) continue;
      FillElements(y + at, U(0), from - at);
      CopyElements(y + from, In<U>(call, k) + (from - start), to - from);
      at = to;
    }
    if (at < span.end) FillElements(y + at, U(0), span.end - at);
  }
};

// ---- pad(x) {before, after, value} ----

static const char* CheckPad(const Call& call) {
  if (const char* wrong = CheckMove(call, 1)) return wrong;
  const Slice &x = call.in[0], &y = call.out[0];
  const List before = ReadList(call, 0), after = ReadList(call, before.next);
  if (before.count != x.rank || after.count != x.rank || y.rank != x.rank || after.next != call.attribute_count - 1) return "before and after must have an item per axis";
  for (int i = 0; i < x.rank; i++) {
    if (before.items[i] + after.items[i] + static_cast<double>(x.shape[i]) != static_cast<double>(y.shape[i])) return "the result must be x with before and after on each axis";
  }
  // Whole numbers are truncated and wrapped as JavaScript does: left to TypeScript.
  return IsFloatType(y.dtype) ? nullptr : kUnsupported;
}
template <typename T> struct PadLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Slice &x = call.in[0], &y = call.out[0];
    if (y.size == 0) return;
    const T value = static_cast<T>(call.attributes[call.attribute_count - 1]);
    const double* before = call.attributes + 1;
    T* out = Out<T>(call, 0);
    if (x.rank == 0) {
      *out = *In<T>(call, 0);
      return;
    }
    const Span span = ItemsOf(y.size, kPieceElements, begin, end);
    const int last = y.rank - 1;
    const int64_t width = y.shape[last];
    const int64_t left = static_cast<int64_t>(before[last]);
    for (int64_t at = span.begin; at < span.end;) {
      const int64_t first = at % width, rest = width - first, n = rest < span.end - at ? rest : span.end - at;
      // The row of x that lies in this row of the result, if any.
      int64_t row = at / width, from = 0, stride = x.shape[last];
      bool inside = x.shape[last] > 0;
      for (int i = last - 1; i >= 0; i--) {
        const int64_t index = row % y.shape[i] - static_cast<int64_t>(before[i]);
        row /= y.shape[i];
        if (index < 0 || index >= x.shape[i]) inside = false;
        from += index * stride;
        stride *= x.shape[i];
      }
      const int64_t start = inside ? left : width, stop = inside ? left + x.shape[last] : width;  // of x in the row
      for (int64_t c = first; c < first + n;) {
        const bool in = c >= start && c < stop;
        const int64_t border = in ? stop : c < start ? start : width;
        const int64_t to = border < first + n ? border : first + n;
        if (in) CopyElements(out + at - first + c, In<T>(call, 0) + from + (c - left), to - c);
        else FillElements(out + at - first + c, value, to - c);
        c = to;
      }
      at += n;
    }
  }
};

static const Kernel kMovementKernels[] = {
    ReadFrom<TransposeReading>("transpose"),
    ReadFrom<SliceReading>("slice"),
    ReadFrom<BroadcastReading>("broadcastTo"),
    {"reshape", CheckReshape, nullptr, nullptr, OutputPieces, RunSized<CopyLoop>},
    {"view", CheckView, nullptr, nullptr, OutputPieces, RunSized<CopyLoop>},
    {"concat", CheckConcat, nullptr, nullptr, OutputPieces, RunSized<ConcatLoop>},
    {"pack", CheckPack, nullptr, nullptr, OutputPieces, RunSized<PackLoop>},
    {"pad", CheckPad, nullptr, nullptr, OutputPieces, RunFloat<PadLoop>},
};
