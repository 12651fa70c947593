// What all kernels share: how work is cut into pieces, how dtypes choose a template, and the checks of shapes.
// Included inside an instruction set's namespace; knows no op.

#define MB_OP inline __attribute__((always_inline))
#define MB_LAMBDA __attribute__((always_inline))
// For bodies that several kernels share: without it each would get its own copy, and compilation its own minutes.
#define MB_SHARED static __attribute__((noinline))

// ---- pieces ----

// One to two microseconds of an elementwise pass over the caches, a few of a dearer kernel. A fork and join costs half of one
// while the helpers spin; where that does not pay on the machine at hand, the run finds out (native/pace.h).
constexpr int64_t kPieceElements = 16384;

// How `items` are cut when one piece takes `per_piece`. Less than two pieces' worth stays whole.
static inline int64_t CountPieces(int64_t items, int64_t per_piece) {
  return items < 2 * per_piece ? 1 : (items + per_piece - 1) / per_piece;
}

struct Span {
  int64_t begin, end;
};
// The items of pieces [begin, end) of the same cut.
static inline Span ItemsOf(int64_t items, int64_t per_piece, int64_t begin, int64_t end) {
  if (CountPieces(items, per_piece) == 1) return {0, items};
  const int64_t last = end * per_piece;
  return {begin * per_piece, last < items ? last : items};
}

// Rows of `width` elements that make a piece when an element costs `cost` times that of a plain pass in f32.
static inline int64_t RowsPerPiece(int64_t width, int64_t cost) {
  const int64_t rows = kPieceElements / (cost * (width > 0 ? width : 1));
  return rows > 0 ? rows : 1;
}

// ---- dtypes ----

template <typename T> constexpr DType kDTypeOf = DType::kF32;
template <> constexpr DType kDTypeOf<double> = DType::kF64;
template <> constexpr DType kDTypeOf<int32_t> = DType::kI32;
template <> constexpr DType kDTypeOf<uint8_t> = DType::kU8;

static inline bool IsFloatType(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF64; }
static inline int64_t BytesOf(DType dtype) { return dtype == DType::kF64 ? 8 : dtype == DType::kU8 ? 1 : 4; }

// run for both float types: F<T>::Run(call, phase, begin, end, worker).
template <template <typename> class F>
static void RunFloat(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
  if (call.out[0].dtype == DType::kF32) F<float>::Run(call, phase, begin, end, worker);
  else F<double>::Run(call, phase, begin, end, worker);
}

template <typename T> static inline const T* In(const Call& call, int i) { return static_cast<const T*>(call.in[i].data); }
template <typename T> static inline T* Out(const Call& call, int i) { return static_cast<T*>(call.out[i].data); }

// ---- checks ----

static inline bool SameShape(const Slice& a, const Slice& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++) {
    if (a.shape[i] != b.shape[i]) return false;
  }
  return true;
}
static inline bool IsVector(const Slice& x, int64_t n) { return x.rank == 1 && x.shape[0] == n; }

// The counts, and one float dtype for all inputs and outputs; kUnsupported for other dtypes.
static inline const char* CheckFloats(const Call& call, int inputs, int outputs, int attributes) {
  if (call.inputs != inputs || call.outputs != outputs) return "wrong number of inputs or outputs";
  if (call.attribute_count != attributes) return "wrong number of attributes";
  const DType dtype = call.out[0].dtype;
  for (int i = 0; i < inputs; i++) {
    if (call.in[i].dtype != dtype) return "inputs and outputs must have one dtype";
  }
  for (int i = 1; i < outputs; i++) {
    if (call.out[i].dtype != dtype) return "inputs and outputs must have one dtype";
  }
  return IsFloatType(dtype) ? nullptr : kUnsupported;
}

// A whole number attribute within bounds; compared as doubles, so that NaN and huge numbers fail.
static inline bool IsWholeIn(double x, int64_t low, int64_t high) {
  return x >= static_cast<double>(low) && x <= static_cast<double>(high) && x == static_cast<double>(static_cast<int64_t>(x));
}
static inline bool IsFlagValue(double x) { return x == 0 || x == 1; }

// A shape seen as [outer, n, inner] with `count` axes from `axis` in the middle.
struct Split {
  int64_t outer, n, inner;
};
static inline Split SplitAt(const Slice& x, int64_t axis, int64_t count) {
  Split s{1, 1, 1};
  for (int i = 0; i < x.rank; i++) (i < axis ? s.outer : i < axis + count ? s.n : s.inner) *= x.shape[i];
  return s;
}

// Loads and stores of n lanes, all of them or fewer, chosen when compiling.
template <bool kFull, typename T> MB_INLINE Vec<T> LoadLanes(const T* p, int n) {
  if constexpr (kFull) return Load(p);
  else return LoadPartial(p, n);
}
template <bool kFull, typename T> MB_INLINE void StoreLanes(T* p, Vec<T> v, int n) {
  if constexpr (kFull) Store(p, v);
  else StorePartial(p, v, n);
}

// f(i, std-like constant "full", lanes) for every vector of n elements from 0 on: full ones, then the rest.
template <bool kValue> struct Full {
  static constexpr bool value = kValue;
};
template <typename T, typename F> MB_INLINE void EachVector(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + Vec<T>::kLanes <= n; i += Vec<T>::kLanes) f(i, Full<true>(), Vec<T>::kLanes);
  if (i < n) f(i, Full<false>(), static_cast<int>(n - i));
}
