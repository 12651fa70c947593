// Batches of images: draws by row number, mirrored, cropped, smoothed. All arithmetic is in double precision and in the order
// of src/ops/images.ts, without fused multiply-adds: results have the bits of the TypeScript kernels.

// ---- images [b, h, w] or [b, h, w, c] ----

struct Images {
  int64_t count, height, width, channels;
  int64_t Size() const { return height * width * channels; }
};
static inline bool IsImages(const Slice& x) { return x.rank == 3 || x.rank == 4; }
static inline Images ImagesOf(const Slice& x) { return {x.shape[0], x.shape[1], x.shape[2], x.rank == 4 ? x.shape[3] : 1}; }
static int64_t ImagesPerPiece(const Call& call, int64_t cost) { return RowsPerPiece(ImagesOf(call.out[0]).Size(), cost); }

// ---- uniformRows(rows, key) {columns, site} ----

constexpr uint32_t kAugmentationPurpose = 6;  // src/random.ts: purposes

static const char* CheckUniformRows(const Call& call) {
  if (call.inputs != 2 || call.outputs != 1 || call.attribute_count != 2) return "takes rows and a key, columns and a site";
  const Slice &rows = call.in[0], &key = call.in[1], &u = call.out[0];
  if (rows.dtype != DType::kI32 || rows.rank != 1) return "rows must be i32 [b]";
  if (key.dtype != DType::kI32 || !IsVector(key, 3)) return "key must be i32 [3]";
  if (u.dtype != DType::kF32 || u.rank != 2 || u.shape[0] != rows.shape[0]) return "the result must be f32 with a row per row";
  if (call.attributes[0] != static_cast<double>(u.shape[1])) return "the result must have as many columns as asked for";
  return IsWholeIn(call.attributes[1], 0, (1 << 24) - 1) ? nullptr : "site must be a whole number below 2^24";
}
// A counter costs some six times a plain pass over the four numbers it makes.
static int64_t UniformRowsPerPiece(const Call& call) { return RowsPerPiece(call.out[0].shape[1] + 32, 6); }
static int64_t UniformRowsPieces(const Call& call, int32_t) { return CountPieces(call.in[0].size, UniformRowsPerPiece(call)); }
static void RunUniformRows(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
  const int64_t columns = call.out[0].shape[1];
  const Span rows = ItemsOf(call.in[0].size, UniformRowsPerPiece(call), begin, end);
  const uint32_t purpose = kAugmentationPurpose + 256u * static_cast<uint32_t>(static_cast<int64_t>(call.attributes[1]));
  PhiloxKey key = MakePhiloxKey(In<int32_t>(call, 1), 0);
  for (int64_t row = rows.begin; row < rows.end; row++) {
    key.second = static_cast<uint32_t>(In<int32_t>(call, 0)[row]);
    float* u = Out<float>(call, 0) + row * columns;
    for (int64_t first = 0; first < columns; first += 32) {
      const PhiloxWords words = Philox(IotaU64(static_cast<uint64_t>(first) / 4, 1), key, purpose);
      alignas(64) uint64_t word[4][8];
      static_assert(sizeof(words) == sizeof(word));
      __builtin_memcpy(word, &words, sizeof(word));
      const int64_t count = columns - first < 32 ? columns - first : 32;
      float draws[32];
      // The upper 24 bits of a word are a float exactly; conversions from signed numbers are the fast ones.
      for (int w = 0; w < 4; w++) {
        for (int lane = 0; lane < 8; lane++) draws[8 * w + lane] = static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(word[w][lane]) >> 8)) * 0x1p-24f;
      }
      CopyElements(u + first, static_cast<const float*>(draws), count);
    }
  }
}

// ---- flipImages(x, u) {probability} ----

static const char* CheckFlipImages(const Call& call) {
  if (const char* wrong = CheckFloats(call, 2, 1, 1)) return wrong;
  if (!IsImages(call.in[0])) return "takes images [b, h, w] or [b, h, w, c]";
  if (!IsVector(call.in[1], call.in[0].shape[0])) return "u must have a number per image";
  return SameShape(call.in[0], call.out[0]) ? nullptr : "the result must be like x";
}
static int64_t FlipImagesPieces(const Call& call, int32_t) { return CountPieces(call.out[0].shape[0], ImagesPerPiece(call, 1)); }
template <typename T> struct FlipImagesLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Images x = ImagesOf(call.in[0]);
    const Span span = ItemsOf(x.count, ImagesPerPiece(call, 1), begin, end);
    for (int64_t image = span.begin; image < span.end; image++) {
      const T* from = In<T>(call, 0) + image * x.Size();
      T* to = Out<T>(call, 0) + image * x.Size();
      if (!(static_cast<double>(In<T>(call, 1)[image]) < call.attributes[0])) {
        CopyElements(to, from, x.Size());
        continue;
      }
      for (int64_t i = 0; i < x.height; i++, from += x.width * x.channels, to += x.width * x.channels) {
        if (x.channels == 1) {
          for (int64_t j = 0; j < x.width; j++) to[j] = from[x.width - 1 - j];
        } else {
          for (int64_t j = 0; j < x.width; j++) {
            for (int64_t c = 0; c < x.channels; c++) to[j * x.channels + c] = from[(x.width - 1 - j) * x.channels + c];
          }
        }
      }
    }
  }
};

// ---- cropImages(x, u) {height, pad, width} ----

static const char* CheckCropImages(const Call& call) {
  if (const char* wrong = CheckFloats(call, 2, 1, 3)) return wrong;
  const Slice &x = call.in[0], &u = call.in[1], &y = call.out[0];
  if (!IsImages(x) || y.rank != x.rank) return "takes images [b, h, w] or [b, h, w, c]";
  const Images from = ImagesOf(x), to = ImagesOf(y);
  if (u.rank != 2 || u.shape[0] != from.count || u.shape[1] != 2) return "u must have two numbers per image";
  if (to.count != from.count || to.channels != from.channels) return "the result must have the images and channels of x";
  if (call.attributes[0] != static_cast<double>(to.height) || call.attributes[2] != static_cast<double>(to.width)) return "the result must have the size of the window";
  if (!IsWholeIn(call.attributes[1], 0, 1 << 30)) return "pad must be a whole number";
  const int64_t pad = static_cast<int64_t>(call.attributes[1]);
  return to.height <= from.height + 2 * pad && to.width <= from.width + 2 * pad ? nullptr : "the window must fit into the padded image";
}
static int64_t CropImagesPieces(const Call& call, int32_t) { return CountPieces(call.out[0].shape[0], ImagesPerPiece(call, 1)); }
// The place that u chooses among n; any u, NaN too, gives one of them.
static inline int64_t PlaceOf(double u, int64_t n) {
  const double at = u * static_cast<double>(n);
  return at >= static_cast<double>(n) ? n - 1 : at >= 0 ? static_cast<int64_t>(at) : 0;
}
static inline int64_t Between(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }
template <typename T> struct CropImagesLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Images x = ImagesOf(call.in[0]), y = ImagesOf(call.out[0]);
    const int64_t pad = static_cast<int64_t>(call.attributes[1]), channels = x.channels, line = y.width * channels;
    const Span span = ItemsOf(x.count, ImagesPerPiece(call, 1), begin, end);
    for (int64_t image = span.begin; image < span.end; image++) {
      const T* u = In<T>(call, 1) + 2 * image;
      const T* from = In<T>(call, 0) + image * x.Size();
      T* to = Out<T>(call, 0) + image * y.Size();
      const int64_t top = PlaceOf(static_cast<double>(u[0]), x.height + 2 * pad - y.height + 1) - pad;
      const int64_t left = PlaceOf(static_cast<double>(u[1]), x.width + 2 * pad - y.width + 1) - pad;
      // Columns [first, last) of the window lie inside the image.
      const int64_t first = Between(-left, 0, y.width), last = Between(x.width - left, first, y.width);
      for (int64_t i = 0; i < y.height; i++, to += line) {
        if (top + i < 0 || top + i >= x.height || first == last) {
          FillElements(to, T(0), line);
          continue;
        }
        FillElements(to, T(0), first * channels);
        CopyElements(to + first * channels, from + ((top + i) * x.width + left + first) * channels, (last - first) * channels);
        FillElements(to + last * channels, T(0), (y.width - last) * channels);
      }
    }
  }
};

// ---- smooth(x, weights) {axis} ----

// Along the last axis a line is copied between zeros, so that every tap is one vector; it must fit the worker's scratch.
static int64_t LineBytes(const Call& call, const Split& s) { return (s.n + call.in[1].size + 16) * BytesOf(call.in[0].dtype); }
static Split SmoothSplit(const Call& call) { return SplitAt(call.in[0], static_cast<int64_t>(call.attributes[0]), 1); }
static const char* CheckSmooth(const Call& call) {
  if (const char* wrong = CheckFloats(call, 2, 1, 1)) return wrong;
  const Slice &x = call.in[0], &weights = call.in[1];
  if (!IsWholeIn(call.attributes[0], 0, x.rank - 1)) return "axis must lie inside the rank";
  if (weights.rank != 1 || weights.size % 2 == 0) return "weights must be a list of odd length";
  if (!SameShape(x, call.out[0])) return "the result must be like x";
  const Split s = SmoothSplit(call);
  return s.inner == 1 && LineBytes(call, s) > kWorkerScratch ? kUnsupported : nullptr;
}
// A piece takes lines of the last axis, or of what lies behind the axis.
static int64_t SmoothLines(const Split& s) { return s.inner == 1 ? s.outer : s.outer * s.n; }
static int64_t SmoothLinesPerPiece(const Call& call, const Split& s) {
  return RowsPerPiece(s.inner == 1 ? s.n : s.inner, 1 + call.in[1].size / 4);
}
static int64_t SmoothPieces(const Call& call, int32_t) {
  const Split s = SmoothSplit(call);
  return CountPieces(SmoothLines(s), SmoothLinesPerPiece(call, s));
}
// Products of f32 are exact in double precision, so that here a fused multiply-add has the same bits.
MB_INLINE void AddTap(VecF x, VecD weight, VecD (&sums)[2]) {
  VecD low, high;
  Widen(x, &low, &high);
  sums[0] = Fma(weight, low, sums[0]);
  sums[1] = Fma(weight, high, sums[1]);
}
MB_INLINE void AddTap(VecD x, VecD weight, VecD (&sums)[2]) { sums[0] = Add(sums[0], Mul(weight, x)); }
template <typename T> MB_INLINE Vec<T> Rounded(const VecD (&sums)[2]) {
  if constexpr (sizeof(T) == 4) return Narrow(sums[0], sums[1]);
  else return sums[0];
}
// y[j] = sum over k of weights[k] x[k step + j] for kVectors vectors, of the last of which `lanes` count.
template <typename T, int kVectors> MB_INLINE void SumTapsOf(const T* x, int64_t step, const T* weights, int64_t taps, int lanes, T* y) {
  constexpr int kLanes = Vec<T>::kLanes;
  VecD sums[kVectors][2];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; v++) sums[v][0] = sums[v][1] = Zero<double>();
  for (int64_t k = 0; k < taps; k++) {
    const VecD weight = Set<double>(static_cast<double>(weights[k]));
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) {
      const T* from = x + k * step + v * kLanes;
      AddTap(v < kVectors - 1 ? Load(from) : LoadPartial(from, lanes), weight, sums[v]);
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; v++) StorePartial(y + v * kLanes, Rounded<T>(sums[v]), v < kVectors - 1 ? kLanes : lanes);
}
// The same for j below n: two vectors side by side, since the additions of one wait for each other.
template <typename T> MB_SHARED void SumTaps(const T* x, int64_t step, const T* weights, int64_t taps, int64_t n, T* y) {
  constexpr int kLanes = Vec<T>::kLanes;
  for (int64_t j = 0; j < n; j += 2 * kLanes) {
    const int count = n - j < 2 * kLanes ? static_cast<int>(n - j) : 2 * kLanes;
    if (count > kLanes) SumTapsOf<T, 2>(x + j, step, weights, taps, count - kLanes, y + j);
    else SumTapsOf<T, 1>(x + j, step, weights, taps, count, y + j);
  }
}
template <typename T> struct SmoothLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const Split s = SmoothSplit(call);
    if (call.out[0].size == 0) return;
    const int64_t taps = call.in[1].size, r = taps / 2;
    const T *x = In<T>(call, 0), *weights = In<T>(call, 1);
    T* y = Out<T>(call, 0);
    const Span lines = ItemsOf(SmoothLines(s), SmoothLinesPerPiece(call, s), begin, end);
    if (s.inner == 1) {
      T* padded = reinterpret_cast<T*>(worker.scratch);
      FillElements(padded, T(0), s.n + taps);
      for (int64_t line = lines.begin; line < lines.end; line++) {
        CopyElements(padded + r, x + line * s.n, s.n);
        SumTaps<T>(padded, 1, weights, taps, s.n, y + line * s.n);
      }
      return;
    }
    for (int64_t line = lines.begin; line < lines.end; line++) {
      // Taps [first, last) lie inside the axis.
      const int64_t i = line % s.n, first = r > i ? r - i : 0, last = s.n - i + r < taps ? s.n - i + r : taps;
      SumTaps<T>(x + (line + first - r) * s.inner, s.inner, weights + first, last - first, s.inner, y + line * s.inner);
    }
  }
};

static const Kernel kImageKernels[] = {
    {"uniformRows", CheckUniformRows, nullptr, nullptr, UniformRowsPieces, RunUniformRows},
    {"flipImages", CheckFlipImages, nullptr, nullptr, FlipImagesPieces, RunFloat<FlipImagesLoop>},
    {"cropImages", CheckCropImages, nullptr, nullptr, CropImagesPieces, RunFloat<CropImagesLoop>},
    {"smooth", CheckSmooth, nullptr, nullptr, SmoothPieces, RunFloat<SmoothLoop>},
};
