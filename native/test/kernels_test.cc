// Elementwise, reducing, moving and picking kernels against plain loops in double precision.
#include "kernel_harness.h"

using namespace minibatch;

namespace {

const double kNan = NAN, kInf = INFINITY;
// One vector and its neighbours, several vectors, several pieces of a cheap op.
const int64_t kSizes[] = {0, 1, 7, 8, 15, 16, 17, 31, 1000};
constexpr int64_t kLarge = 250001;

Numbers WithSpecials(Numbers x, const Numbers& specials) {
  for (size_t i = 0; i < specials.size() && i < x.size(); i++) x[x.size() - 1 - i] = specials[i];
  return x;
}

void Unary(const char* name, double (*f)(double), double low = -4, double high = 4, Numbers attributes = {}, double f32 = 4e-7, double f64 = 1.5e-15) {
  const Numbers specials = {kNan, kInf, 0, -0.0, 1, -1, 30, -30, 1e-30, -1e-30, 1e-42, 88.5, -87.5, -103.2, -110, 200, 3e38, -3e38};
  for (int64_t n : {int64_t{0}, int64_t{1}, int64_t{15}, int64_t{16}, int64_t{17}, int64_t{31}, int64_t{1000}, kLarge}) {
    Case c{name, {{{n}, WithSpecials(Draw(n, low, high), specials)}}, {{{n}, false, DType::kF32, 0}}, attributes, nullptr, f32, f64, 0, 0};
    c.expected = [f](const std::vector<Numbers>& in) {
      std::vector<Numbers> out(1);
      for (double x : in[0]) out[0].push_back(f(x));
      return out;
    };
    Test(c);
  }
}

double Softplus(double x) { return (x > 0 ? x : x != x ? x : 0) + log1p(exp(-fabs(x))); }

void TestUnary() {
  Unary("neg", [](double x) { return -x; });
  Unary("abs", [](double x) { return fabs(x); });
  Unary("square", [](double x) { return x * x; });
  Unary("sqrt", [](double x) { return sqrt(x); });
  Unary("exp", [](double x) { return exp(x); }, -20, 20);
  Unary("log", [](double x) { return log(x); }, 0, 10);
  Unary("sign", [](double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; });
  Unary("relu", [](double x) { return x <= 0 ? 0 : x; });
  Unary("tanh", [](double x) { return tanh(x); });
  Unary("sigmoid", [](double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); });
  Unary("softplus", Softplus);
  Unary("silu", [](double x) { return x * (x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x))); });
  Unary("gelu", [](double x) { return static_cast<double>(x * erfcl(-x * sqrtl(0.5L)) / 2); }, -4, 4, {}, 8e-7, 2e-15);
  Unary("erf", [](double x) { return erf(x); });
  Unary("leakyRelu", [](double x) { return x > 0 ? x : x * 0.125; }, -4, 4, {0.125});
  Unary("elu", [](double x) { return x > 0 ? x : 0.75 * expm1(x); }, -4, 4, {0.75});
  Unary("clip", [](double x) { return x < -0.5 ? -0.5 : x > 1 ? 1 : x; }, -4, 4, {-0.5, 1});
}

// The element of an operand that an output's element reads.
int64_t BroadcastIndex(const Shape& x, const Shape& y, int64_t at) {
  int64_t index = 0, stride = 1;
  for (size_t i = 1; i <= y.size(); i++) {
    const int64_t n = y[y.size() - i], here = at % n;
    at /= n;
    if (i > x.size()) continue;
    const int64_t own = x[x.size() - i];
    index += own == 1 ? 0 : here * stride;
    stride *= own;
  }
  return index;
}
const std::vector<std::vector<Shape>> kBroadcasts = {
    {{}, {}, {}},
    {{1}, {1}, {1}},
    {{5, 33}, {5, 33}, {5, 33}},
    {{5, 33}, {}, {5, 33}},
    {{}, {3, 19}, {3, 19}},
    {{5, 33}, {33}, {5, 33}},
    {{67}, {2, 67}, {2, 67}},
    {{5, 1}, {5, 33}, {5, 33}},
    {{5, 33}, {5, 1}, {5, 33}},
    {{3, 1}, {1, 4}, {3, 4}},
    {{2, 3, 4}, {3, 1}, {2, 3, 4}},
    {{2, 1, 17}, {2, 3, 1}, {2, 3, 17}},
    {{1, 1}, {7}, {1, 7}},
    {{0, 3}, {3}, {0, 3}},
    {{2, 1, 3, 1, 2, 1}, {1, 4, 1, 5, 1, 6}, {2, 4, 3, 5, 2, 6}},
    {{1000, 300}, {300}, {1000, 300}},
    {{1000, 1}, {1, 301}, {1000, 301}},
};

void Binary(const char* name, double (*f)(double, double), double low = -2, double high = 2, double f32 = 1e-6, double f64 = 2e-15) {
  const Numbers sx = {kNan, 1, kInf, -kInf, 0, 0, -0.0, 2, -2, -8, 3, 1}, sy = {1, kNan, -kInf, -kInf, 0, -1, 2, 0, 3, 1.0 / 3, 3, kInf};
  for (const auto& shapes : kBroadcasts) {
    Numbers x = Draw(SizeOf(shapes[0]), low, high), y = Draw(SizeOf(shapes[1]), low, high);
    if (SizeOf(shapes[2]) > 1000) {
      x = WithSpecials(x, sx);
      y = WithSpecials(y, sy);
    } else if (x.size() == y.size() && x.size() > 100) {
      x = WithSpecials(x, sx);
      y = WithSpecials(y, sy);
    }
    Case c{name, {{shapes[0], x}, {shapes[1], y}}, {{shapes[2], false, DType::kF32, shapes[0] == shapes[2] ? 0 : shapes[1] == shapes[2] ? 1 : -1}}, {}, nullptr, f32, f64, 0, 0};
    c.expected = [&](const std::vector<Numbers>& in) {
      std::vector<Numbers> out(1);
      for (int64_t i = 0; i < SizeOf(shapes[2]); i++) {
        out[0].push_back(f(in[0][static_cast<size_t>(BroadcastIndex(shapes[0], shapes[2], i))], in[1][static_cast<size_t>(BroadcastIndex(shapes[1], shapes[2], i))]));
      }
      return out;
    };
    Test(c);
  }
}

double JsPow(double x, double y) {
  if (y != y || (fabs(x) == 1 && fabs(y) == kInf)) return kNan;
  return pow(x, y);
}

void TestBinary() {
  Binary("add", [](double x, double y) { return x + y; });
  Binary("sub", [](double x, double y) { return x - y; }, 0, 2);
  Binary("mul", [](double x, double y) { return x * y; });
  Binary("div", [](double x, double y) { return x / y; });
  Binary("pow", JsPow, 0, 3);
  Binary("maximum", [](double x, double y) { return x > y || x != x ? x : y; });
  Binary("minimum", [](double x, double y) { return x < y || x != x ? x : y; });
  Binary("equal", [](double x, double y) { return x == y ? 1.0 : 0.0; });
  Binary("greater", [](double x, double y) { return x > y ? 1.0 : 0.0; });
  Binary("less", [](double x, double y) { return x < y ? 1.0 : 0.0; });
  for (const auto& shapes : kBroadcasts) {
    const Shape &a = shapes[0], &b = shapes[1], &z = shapes[2];
    Numbers condition = Draw(SizeOf(a), -1, 1);
    for (double& v : condition) v = v < 0 ? 0 : v;
    for (int order = 0; order < 2; order++) {
      Case c{"where", {{a, condition}, {order ? b : a, Draw(SizeOf(order ? b : a))}, {order ? a : b, Draw(SizeOf(order ? a : b))}}, {{z}}, {}, nullptr};
      c.expected = [&](const std::vector<Numbers>& in) {
        std::vector<Numbers> out(1);
        for (int64_t i = 0; i < SizeOf(z); i++) {
          const auto at = [&](size_t k) { return in[k][static_cast<size_t>(BroadcastIndex(c.inputs[k].shape, z, i))]; };
          out[0].push_back(at(0) != 0 ? at(1) : at(2));
        }
        return out;
      };
      if (SizeOf(a) <= SizeOf(z) && SizeOf(b) <= SizeOf(z)) Test(c);
    }
  }
  for (int64_t n : kSizes) {
    Case c{"reluGradient", {{{n}, Draw(n)}, {{n}, Draw(n)}}, {{{n}, false, DType::kF32, 1}}, {}, nullptr};
    c.expected = [](const std::vector<Numbers>& in) {
      std::vector<Numbers> out(1);
      for (size_t i = 0; i < in[0].size(); i++) out[0].push_back(in[0][i] > 0 ? in[1][i] : 0);
      return out;
    };
    Test(c);
    Case d{"sigmoidCrossEntropy", {{{n}, Draw(n, -30, 30)}, {{n}, Draw(n, 0, 1)}}, {{{n}, false, DType::kF32, 0}}, {}, nullptr};
    d.expected = [](const std::vector<Numbers>& in) {
      std::vector<Numbers> out(1);
      for (size_t i = 0; i < in[0].size(); i++) out[0].push_back(Softplus(in[0][i]) - in[0][i] * in[1][i]);
      return out;
    };
    d.f32_of_largest = 1e-6;
    d.f64_of_largest = 1e-14;
    Test(d);
  }
}

void TestCast() {
  for (int64_t n : {int64_t{0}, int64_t{1}, int64_t{9}, int64_t{16}, int64_t{33}, kLarge}) {
    for (int from = 0; from < 4; from++) {
      for (int to = 0; to < 2; to++) {
        const DType source = static_cast<DType>(from), target = static_cast<DType>(to);
        Case c{"cast", {{{n}, Draw(n, from == 3 ? 0 : -1e6, from == 3 ? 255 : 1e6), true, source}}, {{{n}, true, target}}, {static_cast<double>(to)}, nullptr};
        c.expected = [&](const std::vector<Numbers>& in) {
          std::vector<Numbers> out = in;
          if (target == DType::kF32) {
            for (double& v : out[0]) v = static_cast<double>(static_cast<float>(v));
          }
          return out;
        };
        c.f32 = c.f64 = c.f32_of_largest = c.f64_of_largest = 0;
        TestAs(c, DType::kF64);
      }
    }
  }
}

void TestReduce() {
  struct Block {
    Shape shape;
    int64_t axis, count;
  };
  const Block blocks[] = {
      {{}, 0, 0}, {{1}, 0, 1}, {{70}, 0, 1}, {{1000}, 0, 1}, {{5, 33}, 0, 2}, {{5, 33}, 0, 1}, {{5, 33}, 1, 1}, {{600, 3}, 0, 1}, {{2, 3, 17}, 1, 1},
      {{2, 3, 4, 5}, 1, 2}, {{3, 1, 4}, 1, 1}, {{0, 3}, 1, 1}, {{3, 4}, 1, 0}, {{2047}, 0, 1}, {{2049}, 0, 1}, {{700000}, 0, 1}, {{7, 1001}, 1, 1},
      {{4097, 130}, 0, 1}, {{129, 1025}, 0, 1}, {{3, 900, 257}, 1, 1}, {{1000, 301}, 1, 1}, {{4097, 16}, 0, 1}, {{300000, 2}, 0, 1}, {{1, 200000}, 0, 1},
      {{0}, 0, 1}, {{3, 0}, 1, 1}, {{0, 3}, 0, 1}, {{8, 40}, 0, 1}, {{9, 40}, 0, 1}, {{16, 40}, 0, 1}, {{23, 40}, 0, 1}, {{100, 300000 / 100}, 0, 1}};
  for (const Block& b : blocks) {
    int64_t outer = 1, n = 1, inner = 1;
    for (size_t i = 0; i < b.shape.size(); i++) (static_cast<int64_t>(i) < b.axis ? outer : static_cast<int64_t>(i) < b.axis + b.count ? n : inner) *= b.shape[i];
    Shape shape = b.shape;
    shape.erase(shape.begin() + b.axis, shape.begin() + b.axis + b.count);
    for (const char* name : {"sum", "mean", "max", "min"}) {
      const char kind = name[1];
      if ((kind == 'a' || kind == 'i') && n == 0) continue;
      for (int special = 0; special < 2; special++) {
        Numbers x = Draw(SizeOf(b.shape), 0, 2);
        if (special && x.size() > 60) {
          x[x.size() / 2] = kNan;
          x[20] = kInf;
        }
        Case c{name, {{b.shape, x}}, {{shape}}, {static_cast<double>(b.axis), static_cast<double>(b.count), 0}, nullptr, 4e-7, 1e-15, 0, 0};
        c.expected = [&](const std::vector<Numbers>& in) {
          std::vector<Numbers> out(1);
          for (int64_t o = 0; o < outer; o++) {
            for (int64_t j = 0; j < inner; j++) {
              long double total = kind == 'a' ? -kInf : kind == 'i' ? kInf : 0;
              for (int64_t i = 0; i < n; i++) {
                const double v = in[0][static_cast<size_t>((o * n + i) * inner + j)];
                if (kind == 'u' || kind == 'e') total += static_cast<long double>(v);
                else if (v != v || (kind == 'a' ? v > static_cast<double>(total) : v < static_cast<double>(total))) total = total != total ? total : static_cast<long double>(v);
              }
              out[0].push_back(static_cast<double>(kind == 'e' ? total / static_cast<long double>(n) : total));
            }
          }
          return out;
        };
        Test(c);
      }
    }
    Case squares{"sumSquares", {{b.shape, Draw(SizeOf(b.shape))}}, {{{}}}, {}, nullptr, 4e-7, 2e-15, 0, 0};
    squares.expected = [](const std::vector<Numbers>& in) {
      long double total = 0;
      for (double v : in[0]) total += static_cast<long double>(v) * static_cast<long double>(v);
      return std::vector<Numbers>{{static_cast<double>(total)}};
    };
    Test(squares);
    if (b.count != 1 || n == 0) continue;
    for (int special = 0; special < 2; special++) {
      Numbers x = Draw(SizeOf(b.shape), 0, 9);
      for (double& v : x) v = floor(v);  // ties
      if (special && x.size() > 60) x[x.size() / 2] = x[21] = kNan;
      Case c{"argMax", {{b.shape, x}}, {{shape, true, DType::kI32}}, {static_cast<double>(b.axis)}, nullptr, 0, 0, 0, 0};
      c.expected = [&](const std::vector<Numbers>& in) {
        std::vector<Numbers> out(1);
        for (int64_t o = 0; o < outer; o++) {
          for (int64_t j = 0; j < inner; j++) {
            const auto at = [&](int64_t i) { return in[0][static_cast<size_t>((o * n + i) * inner + j)]; };
            int64_t best = 0;
            for (int64_t i = 1; i < n; i++) {
              if (at(best) == at(best) && (at(i) > at(best) || at(i) != at(i))) best = i;
            }
            out[0].push_back(static_cast<double>(best));
          }
        }
        return out;
      };
      Test(c);
    }
  }
}

// What the loops at the machine's limits say they computed: twice as many floats as doubles fit a vector.
void TestProbes() {
  const KernelTable* tables[kMaxTables];
  const int32_t count = UsableTables(tables);
  for (int32_t i = 0; i < count; i++) {
    for (int64_t rounds : {1, 1000}) {
      const double f32 = tables[i]->probes->fma(DType::kF32, rounds), f64 = tables[i]->probes->fma(DType::kF64, rounds);
      CHECK(f64 > 0 && f32 == 2 * f64);
    }
  }
}

}  // namespace

int main() {
  TestUnary();
  TestBinary();
  TestCast();
  TestReduce();
  TestProbes();
  return Summary("kernels");
}
