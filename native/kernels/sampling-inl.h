// Images read between their pixels: warpImages, displaceImages. All arithmetic is in double precision and in the order of
// src/ops/sampling.ts, without fused multiply-adds: results have the bits of the TypeScript kernels.

// floor of a number that int64 can hold.
static inline int64_t FloorOf(double x) {
  const int64_t cut = static_cast<int64_t>(x);
  return static_cast<double>(cut) > x ? cut - 1 : cut;
}

// Writes one pixel: the mean of the four around row y, column x, weighted by nearness; 0 outside the image.
template <typename T> MB_INLINE void SamplePixel(const T* image, const Images& size, double y, double x, T* to) {
  const int64_t channels = size.channels;
  if (!(y > -1 && y < static_cast<double>(size.height) && x > -1 && x < static_cast<double>(size.width))) {
    for (int64_t c = 0; c < channels; c++) to[c] = 0;
    return;
  }
  const int64_t top = FloorOf(y), left = FloorOf(x);
  const double down = y - static_cast<double>(top), right = x - static_cast<double>(left);
  const double up = 1 - down, near = 1 - right;
  const int64_t line = size.width * channels, corner = top * line + left * channels;
  const bool has_top = top >= 0, has_bottom = top + 1 < size.height, has_left = left >= 0, has_right = left + 1 < size.width;
  if (has_top && has_bottom && has_left && has_right) {
    for (int64_t c = 0; c < channels; c++) {
      const double above = near * static_cast<double>(image[corner + c]) + right * static_cast<double>(image[corner + channels + c]);
      const double below = near * static_cast<double>(image[corner + line + c]) + right * static_cast<double>(image[corner + line + channels + c]);
      to[c] = static_cast<T>(up * above + down * below);
    }
    return;
  }
  for (int64_t c = 0; c < channels; c++) {
    const double a = has_top && has_left ? static_cast<double>(image[corner + c]) : 0;
    const double b = has_top && has_right ? static_cast<double>(image[corner + channels + c]) : 0;
    const double d = has_bottom && has_left ? static_cast<double>(image[corner + line + c]) : 0;
    const double e = has_bottom && has_right ? static_cast<double>(image[corner + line + channels + c]) : 0;
    const double above = near * a + right * b, below = near * d + right * e;
    to[c] = static_cast<T>(up * above + down * below);
  }
}

// One channel: the image is copied as doubles between zeros, so that every point inside finds its four pixels without questions.
// It must fit the worker's scratch, else pixels are sampled one by one.
struct Padded {
  double* data;
  int64_t stride;
};
static inline bool FitsPadded(const Images& size) {
  return size.channels == 1 && size.width < (1 << 20) && size.height < (1 << 20) &&
         (size.width + 2) * (size.height + 2) * static_cast<int64_t>(sizeof(double)) <= kWorkerScratch;
}
static Padded ZeroPadded(const Images& size, Worker& worker) {
  double* data = reinterpret_cast<double*>(worker.scratch);
  FillElements(data, 0.0, (size.width + 2) * (size.height + 2));
  return {data, size.width + 2};
}
template <typename T> static void FillPadded(const Padded& padded, const Images& size, const T* image) {
  for (int64_t i = 0; i < size.height; i++) {
    double* line = padded.data + (i + 1) * padded.stride + 1;
    for (int64_t j = 0; j < size.width; j++) line[j] = static_cast<double>(image[i * size.width + j]);
  }
}
// Eight pixels at rows y, columns x: the numbers of SamplePixel.
MB_INLINE VecD SampleVector(const Padded& padded, const Images& size, VecD y, VecD x) {
  const VecD before = Set<double>(-1), height = Set<double>(static_cast<double>(size.height)), width = Set<double>(static_cast<double>(size.width));
  const MaskD inside = And(And(Greater(y, before), Less(y, height)), And(Greater(x, before), Less(x, width)));
  // Points outside, and NaN, go to the corner before the image.
  const VecD row = Select(inside, y, before), column = Select(inside, x, before);
  const VecD top = Floor(row), left = Floor(column), down = Sub(row, top), right = Sub(column, left);
  const VecD one = Set<double>(1), up = Sub(one, down), near = Sub(one, right);
  alignas(64) double place[8], corners[4][8];
  Store(static_cast<double*>(place), Add(Mul(Add(top, one), Set<double>(static_cast<double>(padded.stride))), Add(left, one)));
#pragma GCC unroll 8
  for (int lane = 0; lane < 8; lane++) {
    const double* corner = padded.data + static_cast<int64_t>(place[lane]);
    corners[0][lane] = corner[0];
    corners[1][lane] = corner[1];
    corners[2][lane] = corner[padded.stride];
    corners[3][lane] = corner[padded.stride + 1];
  }
  const auto at = [&](int i) MB_LAMBDA { return Load(static_cast<const double*>(corners[i])); };
  const VecD above = Add(Mul(near, at(0)), Mul(right, at(1))), below = Add(Mul(near, at(2)), Mul(right, at(3)));
  return SelectOrZero(inside, Add(Mul(up, above), Mul(down, below)));
}
alignas(64) static constexpr double kLaneNumbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
MB_INLINE VecD NumbersFrom(int64_t j) { return Add(Set<double>(static_cast<double>(j)), Load(static_cast<const double*>(kLaneNumbers))); }
// A line of an image: points(j, full, lanes, rows, columns) gives the points of a vector of pixels from j on, eight and eight.
template <typename T, typename F> MB_INLINE void SampleLine(const Padded& padded, const Images& size, T* to, const F& points) {
  EachVector<T>(size.width, [&](int64_t j, auto full, int lanes) MB_LAMBDA {
    constexpr bool kFull = decltype(full)::value;
    constexpr int kHalves = Vec<T>::kLanes / 8;
    VecD rows[2], columns[2], pixels[2];
    points(j, full, lanes, rows, columns);
#pragma GCC unroll 2
    for (int half = 0; half < kHalves; half++) pixels[half] = SampleVector(padded, size, rows[half], columns[half]);
    if constexpr (kHalves == 2) StoreLanes<kFull>(to + j, Narrow(pixels[0], pixels[1]), lanes);
    else StoreLanes<kFull>(to + j, pixels[0], lanes);
  });
}

// A pixel costs some four times a plain copy.
constexpr int64_t kSampleCost = 4;
static int64_t SamplingPieces(const Call& call, int32_t) { return CountPieces(call.out[0].shape[0], ImagesPerPiece(call, kSampleCost)); }

// ---- warpImages(x, u) {by, degrees} ----

struct Direction {
  double cosine, sine;
};
// Taylor's series from the highest power down, in t^2; multiples of 90 degrees are exact.
static inline Direction DirectionOf(double degrees) {
  constexpr double kRadians = 3.141592653589793 / 180;
  constexpr double kSine[] = {1.0 / 6227020800, -1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1};
  constexpr double kCosine[] = {1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -1.0 / 2, 1};
  const int64_t quarters = FloorOf(degrees / 90 + 0.5);
  const double t = (degrees - 90 * static_cast<double>(quarters)) * kRadians, square = t * t;
  double sine = 0, cosine = 0;
  for (int i = 0; i < 7; i++) {
    sine = sine * square + kSine[i];
    cosine = cosine * square + kCosine[i];
  }
  sine = t * sine;
  switch (((quarters % 4) + 4) % 4) {
    case 0: return {cosine, sine};
    case 1: return {-sine, cosine};
    case 2: return {-cosine, -sine};
    default: return {sine, -cosine};
  }
}
// u from 0 to 1 as a number from -1 to 1; NaN as 0 is.
static inline double SignedOf(double u) { return 2 * (u > 0 ? (u < 1 ? u : 1) : 0) - 1; }

static const char* CheckWarpImages(const Call& call) {
  if (const char* wrong = CheckFloats(call, 2, 1, 2)) return wrong;
  const Slice &x = call.in[0], &u = call.in[1];
  if (!IsImages(x)) return "takes images [b, h, w] or [b, h, w, c]";
  if (u.rank != 2 || u.shape[0] != x.shape[0] || u.shape[1] != 2) return "u must have two numbers per image";
  if (!(call.attributes[0] >= 0 && call.attributes[0] < 1)) return "by must be from 0 to below 1";
  if (!(call.attributes[1] >= 0 && call.attributes[1] <= 180)) return "degrees must be from 0 to 180";
  return SameShape(x, call.out[0]) ? nullptr : "the result must be like x";
}
template <typename T> struct WarpImagesLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const Images size = ImagesOf(call.in[0]);
    const bool fits = FitsPadded(size);
    const Padded padded = fits ? ZeroPadded(size, worker) : Padded{};
    const Span span = ItemsOf(size.count, ImagesPerPiece(call, kSampleCost), begin, end);
    const double middle_row = static_cast<double>(size.height - 1) / 2, middle_column = static_cast<double>(size.width - 1) / 2;
    for (int64_t image = span.begin; image < span.end; image++) {
      const T* u = In<T>(call, 1) + 2 * image;
      const Direction turned = DirectionOf(call.attributes[1] * SignedOf(static_cast<double>(u[0])));
      const double factor = 1 + call.attributes[0] * SignedOf(static_cast<double>(u[1]));
      const double a = turned.cosine / factor, b = turned.sine / factor;
      const T* from = In<T>(call, 0) + image * size.Size();
      T* to = Out<T>(call, 0) + image * size.Size();
      if (fits) FillPadded(padded, size, from);
      for (int64_t i = 0; i < size.height; i++) {
        const double down = static_cast<double>(i) - middle_row;
        if (fits) {
          const VecD bs = Set<double>(b), as = Set<double>(a), a_down = Set<double>(a * down), b_down = Set<double>(b * down);
          SampleLine<T>(padded, size, to + i * size.width, [&](int64_t j, auto, int, VecD* rows, VecD* columns) MB_LAMBDA {
#pragma GCC unroll 2
            for (int half = 0; half < Vec<T>::kLanes / 8; half++) {
              const VecD right = Sub(NumbersFrom(j + 8 * half), Set<double>(middle_column));
              rows[half] = Add(Set<double>(middle_row), Add(Mul(bs, right), a_down));
              columns[half] = Add(Set<double>(middle_column), Sub(Mul(as, right), b_down));
            }
          });
          continue;
        }
        for (int64_t j = 0; j < size.width; j++, to += size.channels) {
          const double right = static_cast<double>(j) - middle_column;
          SamplePixel<T>(from, size, middle_row + (b * right + a * down), middle_column + (a * right - b * down), to);
        }
      }
    }
  }
};

// ---- displaceImages(x, field) ----

static const char* CheckDisplaceImages(const Call& call) {
  if (const char* wrong = CheckFloats(call, 2, 1, 0)) return wrong;
  const Slice &x = call.in[0], &field = call.in[1];
  if (!IsImages(x)) return "takes images [b, h, w] or [b, h, w, c]";
  if (field.rank != 4 || field.shape[0] != x.shape[0] || field.shape[1] != 2 || field.shape[2] != x.shape[1] || field.shape[3] != x.shape[2])
    return "field must have a row and a column step for each pixel";
  return SameShape(x, call.out[0]) ? nullptr : "the result must be like x";
}
MB_INLINE void WidenAll(VecF v, VecD* wide) { Widen(v, &wide[0], &wide[1]); }
MB_INLINE void WidenAll(VecD v, VecD* wide) { wide[0] = v; }
template <typename T> struct DisplaceImagesLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
    const Images size = ImagesOf(call.in[0]);
    const bool fits = FitsPadded(size);
    const Padded padded = fits ? ZeroPadded(size, worker) : Padded{};
    const Span span = ItemsOf(size.count, ImagesPerPiece(call, kSampleCost), begin, end);
    const int64_t pixels = size.height * size.width;
    for (int64_t image = span.begin; image < span.end; image++) {
      const T *rows = In<T>(call, 1) + 2 * image * pixels, *columns = rows + pixels;
      const T* from = In<T>(call, 0) + image * size.Size();
      T* to = Out<T>(call, 0) + image * size.Size();
      if (fits) FillPadded(padded, size, from);
      for (int64_t i = 0; i < size.height; i++) {
        if (fits) {
          const int64_t line = i * size.width;
          SampleLine<T>(padded, size, to + line, [&](int64_t j, auto full, int lanes, VecD* at_rows, VecD* at_columns) MB_LAMBDA {
            constexpr bool kFull = decltype(full)::value;
            WidenAll(LoadLanes<kFull>(rows + line + j, lanes), at_rows);
            WidenAll(LoadLanes<kFull>(columns + line + j, lanes), at_columns);
#pragma GCC unroll 2
            for (int half = 0; half < Vec<T>::kLanes / 8; half++) {
              at_rows[half] = Add(Set<double>(static_cast<double>(i)), at_rows[half]);
              at_columns[half] = Add(NumbersFrom(j + 8 * half), at_columns[half]);
            }
          });
          continue;
        }
        for (int64_t j = 0; j < size.width; j++, rows++, columns++, to += size.channels) {
          const double row = static_cast<double>(i) + static_cast<double>(*rows), column = static_cast<double>(j) + static_cast<double>(*columns);
          SamplePixel<T>(from, size, row, column, to);
        }
      }
    }
  }
};

static const Kernel kSamplingKernels[] = {
    {"warpImages", CheckWarpImages, nullptr, nullptr, SamplingPieces, RunFloat<WarpImagesLoop>},
    {"displaceImages", CheckDisplaceImages, nullptr, nullptr, SamplingPieces, RunFloat<DisplaceImagesLoop>},
};
