// Image kernels against plain loops in double precision, number for number: mirrored, cropped, smoothed, turned, displaced, and
// the draws. Operands end at forbidden memory, so that a read beyond an image is a crash; calls that break a rule are refused.
#include <array>

#include "kernel_harness.h"

using namespace minibatch;

namespace {

const double kNan = nan(""), kPi = 3.14159265358979323846;

// The same number, not a near one.
Case Exact(Case c) {
  c.f32 = c.f64 = c.f32_of_largest = c.f64_of_largest = c.f32_absolute = 0;
  return c;
}

void TestFlipAndCrop() {
  const int64_t b = 90, h = 9, w = 21;
  for (const int64_t c : {1, 3}) {
    const Shape shape = c == 1 ? Shape{b, h, w} : Shape{b, h, w, c};
    Numbers u = Draw(b, 0, 1);
    u[0] = 0.5;  // not below the probability
    Test(Exact({"flipImages", {{shape, Draw(b * h * w * c)}, {{b}, u}}, {{shape}}, {0.5}, [=](const std::vector<Numbers>& in) {
      Numbers y;
      for (int64_t i = 0; i < b * h; i++) {
        for (int64_t j = 0; j < w; j++) {
          const int64_t from = in[1][static_cast<size_t>(i / h)] < 0.5 ? w - 1 - j : j;
          for (int64_t k = 0; k < c; k++) y.push_back(in[0][static_cast<size_t>((i * w + from) * c + k)]);
        }
      }
      return std::vector<Numbers>{y};
    }}));
    // A pad wider than the window, so that some windows see nothing; windows wider than the image; none.
    for (const auto& [height, width, pad] : {std::array<int64_t, 3>{3, 4, 7}, {11, 25, 2}, {5, 21, 0}}) {
      const Shape cut = c == 1 ? Shape{b, height, width} : Shape{b, height, width, c};
      Numbers places = Draw(2 * b, 0, 1);
      places[0] = places[3] = 1;
      places[1] = places[2] = 0;
      places[4] = kNan;
      places[5] = -3;
      places[6] = 1e30;
      Test(Exact({"cropImages", {{shape, Draw(b * h * w * c)}, {{b, 2}, places}}, {{cut}},
                  {static_cast<double>(height), static_cast<double>(pad), static_cast<double>(width)},
                  [=, height = height, width = width, pad = pad](const std::vector<Numbers>& in) {
                    Numbers y;
                    const auto place = [&](int64_t i, int64_t n) {
                      const double at = floor(in[1][static_cast<size_t>(i)] * static_cast<double>(n));
                      return at >= static_cast<double>(n - 1) ? n - 1 : at > 0 ? static_cast<int64_t>(at) : 0;
                    };
                    for (int64_t image = 0; image < b; image++) {
                      const int64_t top = place(2 * image, h + 2 * pad - height + 1) - pad, left = place(2 * image + 1, w + 2 * pad - width + 1) - pad;
                      for (int64_t i = top; i < top + height; i++) {
                        for (int64_t j = left; j < left + width; j++) {
                          for (int64_t k = 0; k < c; k++)
                            y.push_back(i >= 0 && i < h && j >= 0 && j < w ? in[0][static_cast<size_t>(((image * h + i) * w + j) * c + k)] : 0);
                        }
                      }
                    }
                    return std::vector<Numbers>{y};
                  }}));
    }
  }
}

void TestSmooth() {
  for (const Shape& shape : {Shape{3, 5, 28}, Shape{2, 40, 7}, Shape{17, 1}, Shape{70, 33, 16}}) {
    for (const int64_t taps : {1, 3, 25}) {
      for (int64_t axis = 0; axis < static_cast<int64_t>(shape.size()); axis++) {
        Test(Exact({"smooth", {{shape, Draw(SizeOf(shape))}, {{taps}, Draw(taps)}}, {{shape}}, {static_cast<double>(axis)}, [=](const std::vector<Numbers>& in) {
          Numbers y;
          int64_t inner = 1;
          for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); i++) inner *= shape[i];
          const int64_t n = shape[static_cast<size_t>(axis)];
          for (int64_t at = 0; at < SizeOf(shape); at++) {
            const int64_t i = at / inner % n;
            double sum = 0;
            for (int64_t k = 0; k < taps; k++) {
              const int64_t from = i + k - taps / 2;
              if (from >= 0 && from < n) sum += in[1][static_cast<size_t>(k)] * in[0][static_cast<size_t>(at + (from - i) * inner)];
            }
            y.push_back(sum);
          }
          return std::vector<Numbers>{y};
        }}));
      }
    }
  }
}

// A pixel between pixels; 0 outside.
double Between(const Numbers& x, int64_t start, int64_t h, int64_t w, int64_t c, double row, double column) {
  if (!(row > -1 && row < static_cast<double>(h) && column > -1 && column < static_cast<double>(w))) return 0;
  const double top = floor(row), left = floor(column), down = row - top, right = column - left;
  const auto pixel = [&](double i, double j) {
    if (i < 0 || j < 0 || i >= static_cast<double>(h) || j >= static_cast<double>(w)) return 0.0;
    return x[static_cast<size_t>(start + (static_cast<int64_t>(i) * w + static_cast<int64_t>(j)) * c)];
  };
  return (1 - down) * ((1 - right) * pixel(top, left) + right * pixel(top, left + 1)) +
         down * ((1 - right) * pixel(top + 1, left) + right * pixel(top + 1, left + 1));
}

void TestSampling() {
  for (const auto& [b, h, w, c] : {std::array<int64_t, 4>{30, 13, 13, 1}, {5, 9, 35, 1}, {4, 6, 5, 3}, {3, 1, 1, 1}, {1, 1200, 600, 1}}) {
    const Shape shape = c == 1 ? Shape{b, h, w} : Shape{b, h, w, c};
    Numbers steps = Draw(2 * b * h * w, -3, 3);
    steps[0] = kNan;
    if (steps.size() > 9) {
      steps[3] = 1e30;
      steps[5] = -1e30;
      steps[7] = -1;
      steps[9] = -HUGE_VAL;
    }
    Test(Exact({"displaceImages", {{shape, Draw(SizeOf(shape))}, {{b, 2, h, w}, steps}}, {{shape}}, {},
                [b = b, h = h, w = w, c = c](const std::vector<Numbers>& in) {
                  Numbers y;
                  for (int64_t at = 0; at < b * h * w; at++) {
                    const int64_t image = at / (h * w), pixel = at % (h * w);
                    const double row = static_cast<double>(pixel / w) + in[1][static_cast<size_t>(2 * image * h * w + pixel)];
                    const double column = static_cast<double>(pixel % w) + in[1][static_cast<size_t>((2 * image + 1) * h * w + pixel)];
                    for (int64_t k = 0; k < c; k++) y.push_back(Between(in[0], image * h * w * c + k, h, w, c, row, column));
                  }
                  return std::vector<Numbers>{y};
                }}));
    for (const double degrees : {0.0, 90.0, 37.0, 180.0}) {
      Numbers u = Draw(2 * b, 0, 1);
      for (size_t i = 0; i < u.size() && degrees == 90; i += 2) u[i] = i % 4 == 0 ? 1 : 0;
      Case turned{"warpImages", {{shape, Draw(SizeOf(shape))}, {{b, 2}, u}}, {{shape}}, {0.25, degrees}, [=, b = b, h = h, w = w, c = c](const std::vector<Numbers>& in) {
        Numbers y;
        for (int64_t at = 0; at < b * h * w; at++) {
          const int64_t image = at / (h * w), pixel = at % (h * w);
          const double share = 2 * in[1][static_cast<size_t>(2 * image)] - 1, factor = 1 + 0.25 * (2 * in[1][static_cast<size_t>(2 * image + 1)] - 1);
          const bool quarter = degrees == 90;
          const double cosine = quarter ? 0 : cos(share * degrees * kPi / 180) / factor, sine = (quarter ? share : sin(share * degrees * kPi / 180)) / factor;
          const double middle_row = static_cast<double>(h - 1) / 2, middle_column = static_cast<double>(w - 1) / 2;
          const double down = static_cast<double>(pixel / w) - middle_row, right = static_cast<double>(pixel % w) - middle_column;
          const double row = middle_row + (sine * right + cosine * down), column = middle_column + (cosine * right - sine * down);
          for (int64_t k = 0; k < c; k++) y.push_back(Between(in[0], image * h * w * c + k, h, w, c, row, column));
        }
        return std::vector<Numbers>{y};
      }};
      // The library's own sine is right to about 1e-12 of the image's size in pixels.
      turned.f64_absolute = 1e-8;
      turned.f32_absolute = 1e-6;
      Test(degrees == 0 || degrees == 90 ? Exact(turned) : turned);
    }
  }
}

// Philox 4x32-10 in plain steps.
void Words(uint32_t k0, uint32_t k1, uint32_t (&x)[4]) {
  for (int round = 0; round < 10; round++, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u) {
    const uint64_t p0 = static_cast<uint64_t>(x[0]) * 0xd2511f53u, p1 = static_cast<uint64_t>(x[2]) * 0xcd9e8d57u;
    const uint32_t next[4] = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(p1), static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(p0)};
    memcpy(x, next, sizeof(next));
  }
}
void TestDraws() {
  for (const int64_t columns : {1, 2, 7, 31, 100}) {
    const Numbers rows{0, 5, -1, 2147483647, 5};
    Test(Exact({"uniformRows", {Ints({5}, rows), Ints({3}, {-9, 12, 3})}, {{{5, columns}, true, DType::kF32}}, {static_cast<double>(columns), 2},
                [=](const std::vector<Numbers>&) {
                  Numbers u;
                  for (const double row : rows) {
                    for (int64_t j = 0; j < columns; j++) {
                      uint32_t x[4] = {static_cast<uint32_t>(j / 32 * 8 + j % 8), static_cast<uint32_t>(static_cast<int32_t>(row)), 3, 6 + 256 * 2};
                      Words(static_cast<uint32_t>(-9), 12, x);
                      u.push_back((x[j % 32 / 8] >> 8) * 0x1p-24);
                    }
                  }
                  return std::vector<Numbers>{u};
                }}));
  }
}

bool Refused(const char* name, std::vector<Operand> inputs, Result output, Numbers attributes) {
  const KernelTable* tables[kMaxTables];
  UsableTables(tables);
  std::vector<std::unique_ptr<Tensor>> tensors;
  std::vector<Slice> slices;
  for (const Operand& operand : inputs) {
    tensors.emplace_back(new Tensor(operand.dtype, operand.shape));
    slices.push_back(tensors.back()->slice());
  }
  tensors.emplace_back(new Tensor(output.dtype, output.shape));
  slices.push_back(tensors.back()->slice());
  const Call call{slices.data(), static_cast<int32_t>(inputs.size()), slices.data() + inputs.size(), 1, attributes.data(), static_cast<int32_t>(attributes.size()), nullptr};
  return Find(*tables[0], name)->check(call) != nullptr;
}

void TestRefusals() {
  const Operand x{{4, 6, 5}, {}}, colour{{4, 6, 5, 3}, {}}, flat{{4, 30}, {}}, one{{4}, {}}, two{{4, 2}, {}}, field{{4, 2, 6, 5}, {}}, three{{3}, {}};
  const Operand rows = Ints({4}, {}), key = Ints({3}, {});
  const Result y{{4, 6, 5}}, cut{{4, 3, 2}};
  CHECK(!Refused("flipImages", {x, one}, y, {0.5}));
  CHECK(Refused("flipImages", {x, two}, y, {0.5}));
  CHECK(Refused("flipImages", {x, three}, y, {0.5}));
  CHECK(Refused("flipImages", {flat, one}, {{4, 30}}, {0.5}));
  CHECK(Refused("flipImages", {x, one}, cut, {0.5}));
  CHECK(Refused("flipImages", {x, one}, y, {}));
  CHECK(!Refused("cropImages", {x, two}, cut, {3, 0, 2}));
  CHECK(Refused("cropImages", {x, two}, cut, {3, 0, 3}));
  CHECK(Refused("cropImages", {x, two}, cut, {2, 0, 2}));
  CHECK(Refused("cropImages", {x, two}, {{4, 8, 5}}, {8, 0, 5}));
  CHECK(!Refused("cropImages", {x, two}, {{4, 8, 5}}, {8, 1, 5}));
  CHECK(Refused("cropImages", {x, two}, {{4, 8, 5}}, {8, -1, 5}));
  CHECK(Refused("cropImages", {x, two}, {{4, 8, 5}}, {8, kNan, 5}));
  CHECK(Refused("cropImages", {x, two}, {{4, 8, 5}}, {8, 1e300, 5}));
  CHECK(Refused("cropImages", {x, two}, {{5, 3, 2}}, {3, 0, 2}));
  CHECK(Refused("cropImages", {x, one}, cut, {3, 0, 2}));
  CHECK(Refused("cropImages", {colour, two}, {{4, 3, 2, 1}}, {3, 0, 2}));
  CHECK(!Refused("smooth", {x, three}, y, {2}));
  CHECK(Refused("smooth", {x, three}, y, {3}));
  CHECK(Refused("smooth", {x, three}, y, {-1}));
  CHECK(Refused("smooth", {x, one}, y, {2}));
  CHECK(Refused("smooth", {x, three}, cut, {2}));
  CHECK(!Refused("warpImages", {x, two}, y, {0.5, 90}));
  CHECK(Refused("warpImages", {x, two}, y, {1, 90}));
  CHECK(Refused("warpImages", {x, two}, y, {kNan, 90}));
  CHECK(Refused("warpImages", {x, two}, y, {0.5, 181}));
  CHECK(Refused("warpImages", {x, one}, y, {0.5, 90}));
  CHECK(Refused("warpImages", {x, two}, cut, {0.5, 90}));
  CHECK(!Refused("displaceImages", {colour, field}, {{4, 6, 5, 3}}, {}));
  CHECK(Refused("displaceImages", {x, {{4, 6, 5, 2}, {}}}, y, {}));
  CHECK(Refused("displaceImages", {x, {{3, 2, 6, 5}, {}}}, y, {}));
  CHECK(Refused("displaceImages", {x, field}, cut, {}));
  CHECK(!Refused("uniformRows", {rows, key}, {{4, 6}}, {6, 0}));
  CHECK(Refused("uniformRows", {rows, key}, {{4, 6}}, {5, 0}));
  CHECK(Refused("uniformRows", {rows, key}, {{3, 6}}, {6, 0}));
  CHECK(Refused("uniformRows", {rows, key}, {{4, 6}}, {6, -1}));
  CHECK(Refused("uniformRows", {rows, rows}, {{4, 6}}, {6, 0}));
  CHECK(Refused("uniformRows", {one, key}, {{4, 6}}, {6, 0}));
  CHECK(Refused("uniformRows", {rows, key}, {{4, 6}, true, DType::kF64}, {6, 0}));
}

}  // namespace

int main() {
  TestFlipAndCrop();
  TestSmooth();
  TestSampling();
  TestDraws();
  TestRefusals();
  return Summary("images");
}
