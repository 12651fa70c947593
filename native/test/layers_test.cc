// Normalisation, losses, dropout and optimizer kernels against plain loops in double precision; and what all kernels refuse.
#include "kernel_harness.h"

using namespace minibatch;

namespace {

const double kNan = NAN;
using Lists = std::vector<Numbers>;

size_t U(int64_t i) { return static_cast<size_t>(i); }

// ---- normalisation ----

const std::pair<int64_t, int64_t> kMatrices[] = {{7, 5}, {33, 19}, {1, 3}, {6, 1}, {4, 2}, {8, 16}, {9, 17}, {64, 300}, {128, 512}, {1000, 31}, {700, 600}, {3000, 90}, {20000, 1}, {2, 150000}};

Lists Moments(const Numbers& x, int64_t outer, int64_t n, int64_t outer_stride, int64_t stride) {
  Lists out(2);
  for (int64_t o = 0; o < outer; o++) {
    long double mean = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) mean += static_cast<long double>(x[U(o * outer_stride + i * stride)]) / static_cast<long double>(n);
    for (int64_t i = 0; i < n; i++) {
      const long double d = static_cast<long double>(x[U(o * outer_stride + i * stride)]) - mean;
      squares += d * d / static_cast<long double>(n);
    }
    out[0].push_back(static_cast<double>(mean));
    out[1].push_back(static_cast<double>(squares));
  }
  return out;
}

void TestNormalization() {
  const double epsilon = 1e-3;
  for (const auto& [rows, columns] : kMatrices) {
    const int64_t m = rows, n = columns;
    for (int relu = 0; relu < 2; relu++) {
      const Numbers attributes = {epsilon, static_cast<double>(relu)};
      for (double offset : {0.0, 100.0}) {
        Case c{"batchNorm", {{{m, n}, Draw(m * n, offset - 2, offset + 2)}, {{n}, Draw(n)}, {{n}, Draw(n)}}, {{{m, n}, false, DType::kF32, 0}, {{n}}, {{n}}}, attributes, nullptr, 2e-6, 1e-14};
        // A mean is right to its last place, which counts as much as the spread is small: 0.03 where few numbers lie close together.
        const double last_places = (1 + offset) / (m < 8 ? 0.03 : 0.5);
        c.f32_absolute = 2e-7 * last_places;
        c.f64_absolute = 4e-16 * last_places;
        c.expected = [&](const Lists& in) {
          const Lists moments = Moments(in[0], n, m, 1, n);
          Lists out{{}, moments[0], moments[1]};
          for (int64_t i = 0; i < m * n; i++) {
            const size_t j = U(i % n);
            const double v = (in[0][U(i)] - moments[0][j]) / sqrt(moments[1][j] + epsilon) * in[1][j] + in[2][j];
            out[0].push_back(relu && v <= 0 ? 0 : v);
          }
          return out;
        };
        Test(c);
      }
      Case inference{"batchNormInference", {{{m, n}, Draw(m * n)}, {{n}, Draw(n)}, {{n}, Draw(n)}, {{n}, Draw(n)}, {{n}, Draw(n, 0.1, 2)}}, {{{m, n}, false, DType::kF32, 0}}, attributes, nullptr, 1e-6, 1e-14, 3e-7, 1e-15};
      inference.expected = [&](const Lists& in) {
        Lists out(1);
        for (int64_t i = 0; i < m * n; i++) {
          const size_t j = U(i % n);
          const double v = (in[0][U(i)] - in[3][j]) / sqrt(in[4][j] + epsilon) * in[1][j] + in[2][j];
          out[0].push_back(relu && v <= 0 ? 0 : v);
        }
        return out;
      };
      Test(inference);
      Case gradient{"batchNormGradient",
                    {{{m, n}, Draw(m * n)}, {{n}, Draw(n)}, {{n}, Draw(n, -0.1, 0.1)}, {{n}, Draw(n, 0.5, 2)}, {{m, n}, Draw(m * n)}, {{m, n}, Draw(m * n)}},
                    {{{m, n}, false, DType::kF32, 5}, {{n}}, {{n}}}, attributes, nullptr, 1e-6, 1e-14, 1e-6, 2e-15};
      gradient.expected = [&](const Lists& in) {
        Lists out{Numbers(U(m * n)), Numbers(U(n)), Numbers(U(n))};
        const auto g = [&](int64_t i) { return relu && !(in[4][U(i)] > 0) ? 0 : in[5][U(i)]; };
        for (int64_t j = 0; j < n; j++) {
          const double s = 1 / sqrt(in[3][U(j)] + epsilon);
          const auto normal = [&](int64_t i) { return (in[0][U(i)] - in[2][U(j)]) * s; };
          long double sum = 0, product = 0;
          for (int64_t i = j; i < m * n; i += n) {
            sum += static_cast<long double>(g(i));
            product += static_cast<long double>(g(i)) * static_cast<long double>(normal(i));
          }
          out[1][U(j)] = static_cast<double>(product);
          out[2][U(j)] = static_cast<double>(sum);
          for (int64_t i = j; i < m * n; i += n) {
            out[0][U(i)] = in[1][U(j)] * s * (g(i) - (out[2][U(j)] + normal(i) * out[1][U(j)]) / static_cast<double>(m));
          }
        }
        return out;
      };
      Test(gradient);
    }
    for (double offset : {0.0, 100.0}) {
      Case c{"layerNorm", {{{m, n}, Draw(m * n, offset - 2, offset + 2)}, {{n}, Draw(n)}, {{n}, Draw(n)}}, {{{m, n}}, {{m}}, {{m}}}, {epsilon}, nullptr, 2e-6, 1e-14};
      const double last_places = (1 + offset) / (n < 8 ? 0.03 : 0.5);
      c.f32_absolute = 2e-7 * last_places;
      c.f64_absolute = 4e-16 * last_places;
      c.expected = [&](const Lists& in) {
        const Lists moments = Moments(in[0], m, n, n, 1);
        Lists out{{}, moments[0], moments[1]};
        for (int64_t i = 0; i < m * n; i++) out[0].push_back((in[0][U(i)] - moments[0][U(i / n)]) / sqrt(moments[1][U(i / n)] + epsilon) * in[1][U(i % n)] + in[2][U(i % n)]);
        return out;
      };
      Test(c);
    }
    Case gradient{"layerNormGradient", {{{m, n}, Draw(m * n)}, {{n}, Draw(n)}, {{m}, Draw(m, -0.1, 0.1)}, {{m}, Draw(m, 0.5, 2)}, {{m, n}, Draw(m * n)}},
                  {{{m, n}, false, DType::kF32, 4}, {{n}}, {{n}}}, {epsilon}, nullptr, 1e-6, 1e-14, 1e-6, 2e-15};
    gradient.expected = [&](const Lists& in) {
      Lists out{Numbers(U(m * n)), {}, {}};
      std::vector<long double> products(U(n), 0), sums(U(n), 0);
      for (int64_t i = 0; i < m; i++) {
        const double s = 1 / sqrt(in[3][U(i)] + epsilon);
        const auto normal = [&](int64_t j) { return (in[0][U(i * n + j)] - in[2][U(i)]) * s; };
        const auto g = [&](int64_t j) { return in[4][U(i * n + j)] * in[1][U(j)]; };
        long double sum = 0, product = 0;
        for (int64_t j = 0; j < n; j++) {
          sum += static_cast<long double>(g(j));
          product += static_cast<long double>(g(j)) * static_cast<long double>(normal(j));
          products[U(j)] += static_cast<long double>(in[4][U(i * n + j)] * normal(j));
          sums[U(j)] += static_cast<long double>(in[4][U(i * n + j)]);
        }
        for (int64_t j = 0; j < n; j++) out[0][U(i * n + j)] = s * (g(j) - (static_cast<double>(sum) + normal(j) * static_cast<double>(product)) / static_cast<double>(n));
      }
      for (int64_t j = 0; j < n; j++) {
        out[1].push_back(static_cast<double>(products[U(j)]));
        out[2].push_back(static_cast<double>(sums[U(j)]));
      }
      return out;
    };
    Test(gradient);
  }
}

// ---- losses ----

void TestLosses() {
  const std::pair<int64_t, int64_t> sizes[] = {{7, 5}, {1, 10}, {6, 1}, {0, 3}, {37, 33}, {128, 10}, {700, 300}, {3, 5000}, {30000, 10}};
  const auto top = [](const double* x, int64_t k) {
    double largest = x[0];
    for (int64_t j = 1; j < k; j++) largest = x[j] > largest ? x[j] : largest;
    return largest;
  };
  for (const auto& [rows, width] : sizes) {
    const int64_t m = rows, k = width;
    Numbers x = Draw(m * k, -10, 10);
    if (m * k > 100) {
      x[U(k)] = 1000;
      x[U(2 * k)] = -1000;
      x[U(m > 3 ? 3 * k : k + 1)] = kNan;
    }
    for (const char* name : {"softmax", "logSoftmax"}) {
      const bool log_of = name[0] == 'l';
      Case c{name, {{{m, k}, x}}, {{{m, k}, false, DType::kF32, 0}}, {}, nullptr, 2e-6, 1e-14, 1e-7, 1e-15};
      c.expected = [&](const Lists& in) {
        Lists out(1);
        for (int64_t i = 0; i < m; i++) {
          const double* row = in[0].data() + i * k;
          const double largest = top(row, k);
          double total = 0;
          for (int64_t j = 0; j < k; j++) total += exp(row[j] - largest);
          for (int64_t j = 0; j < k; j++) out[0].push_back(log_of ? row[j] - largest - log(total) : exp(row[j] - largest) / total);
        }
        return out;
      };
      Test(c);
    }
    for (int dense = 0; dense < 2; dense++) {
      const Operand labels = dense ? Operand{{m, k}, Draw(m * k, 0, 1)} : Ints({m}, Indices(m, k));
      const auto label = [&](const Lists& in, int64_t i, int64_t j) { return dense ? in[1][U(i * k + j)] : in[1][U(i)] == static_cast<double>(j) ? 1.0 : 0.0; };
      Case c{"softmaxCrossEntropy", {{{m, k}, x}, labels}, {{{m}}, {{m, k}}}, {}, nullptr, 2e-6, 1e-14, 2e-7, 2e-15};
      c.expected = [&](const Lists& in) {
        Lists out(2);
        for (int64_t i = 0; i < m; i++) {
          const double* row = in[0].data() + i * k;
          const double largest = top(row, k);
          double total = 0, loss = 0;
          for (int64_t j = 0; j < k; j++) total += exp(row[j] - largest);
          for (int64_t j = 0; j < k; j++) {
            out[1].push_back(exp(row[j] - largest) / total);
            if (label(in, i, j) != 0) loss += label(in, i, j) * (log(total) - (row[j] - largest));
          }
          out[0].push_back(total == total ? loss : kNan);
        }
        return out;
      };
      Test(c);
      Case g{"softmaxCrossEntropyGradient", {{{m, k}, Draw(m * k, 0, 1)}, labels, {{m}, Draw(m)}}, {{{m, k}, false, DType::kF32, 0}}, {}, nullptr, 1e-6, 1e-14, 3e-7, 1e-15};
      g.expected = [&](const Lists& in) {
        Lists out(1);
        for (int64_t i = 0; i < m; i++) {
          double total = 0;
          for (int64_t j = 0; j < k; j++) total += label(in, i, j);
          for (int64_t j = 0; j < k; j++) out[0].push_back((in[0][U(i * k + j)] * total - label(in, i, j)) * in[2][U(i)]);
        }
        return out;
      };
      Test(g);
      Case e{"classificationErrors", {{{m, k}, x}, labels}, {{{m}}}, {}, nullptr, 0, 0, 0, 0};
      e.expected = [&](const Lists& in) {
        Lists out(1);
        const auto best = [&](const double* row) {
          int64_t at = 0;
          for (int64_t j = 0; j < k; j++) {
            if (row[j] != row[j]) return j;
            if (row[j] > row[at]) at = j;
          }
          return at;
        };
        for (int64_t i = 0; i < m; i++) {
          const int64_t right = dense ? best(in[1].data() + i * k) : static_cast<int64_t>(in[1][U(i)]);
          out[0].push_back(best(in[0].data() + i * k) == right ? 0 : 1);
        }
        return out;
      };
      Test(e);
    }
  }
}

// ---- dropout ----

void PhiloxReference(uint32_t k0, uint32_t k1, uint32_t c[4]) {
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t{0xd2511f53} * c[0], p1 = uint64_t{0xcd9e8d57} * c[2];
    const uint32_t next[4] = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1), static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    memcpy(c, next, sizeof(next));
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
}

void TestDropout() {
  // Known answer of Philox 4x32-10 for zeros (the authors' kat_vectors).
  uint32_t zeros[4] = {};
  PhiloxReference(0, 0, zeros);
  CHECK(zeros[0] == 0x6627e8d5 && zeros[1] == 0xe169c58d && zeros[2] == 0xbc57ac4c && zeros[3] == 0x9b00dbd8);
  for (int64_t n : {0, 1, 7, 17, 511, 512, 513, 1029, 100000, 200003}) {
    for (double keep : {0.8, 0.5, 1.0, 0.0, 1e-5, kNan}) {
      Numbers x = Draw(n);
      if (n > 100) x[50] = kNan;
      const int64_t bytes = (n + 7) / 8;
      Case c{"dropout", {{{n}, x}, {{}, {keep}}, Ints({3}, {-5, 7, 123})}, {{{n}, false, DType::kF32, 0}, {{bytes}, true, DType::kU8}}, {3}, nullptr, 1.2e-7, 3e-16, 0, 0};
      const auto threshold_of = [](double k) { return k == k ? floor(k * 65536 + 0.5) : 0; };
      c.expected = [&](const Lists& in) {
        Lists out{Numbers(U(n)), Numbers(U(bytes), 0)};
        const double threshold = threshold_of(in[1][0]);
        for (int64_t i = 0; i < n; i++) {
          uint32_t counter[4] = {static_cast<uint32_t>(64 * (i / 512) + i % 64), 3, 123, 1};
          PhiloxReference(static_cast<uint32_t>(-5), 7, counter);
          const int64_t d = i % 512 / 64;
          const uint32_t draw = d & 1 ? counter[d >> 1] >> 16 : counter[d >> 1] & 0xffff;
          const bool kept = static_cast<double>(draw) < threshold;
          out[0][U(i)] = kept ? in[0][U(i)] * (65536 / threshold) : 0;
          if (kept) out[1][U(i / 8)] += 1 << (i % 8);
        }
        return out;
      };
      Test(c);
      Numbers mask = Indices(bytes, 256);
      Case g{"dropoutGradient", {{{n}, x}, {{bytes}, mask, true, DType::kU8}, {{}, {keep}}}, {{{n}, false, DType::kF32, 0}}, {}, nullptr, 1.2e-7, 3e-16, 0, 0};
      g.expected = [&](const Lists& in) {
        Lists out(1);
        const double threshold = threshold_of(in[2][0]);
        const double scale = threshold > 0 ? 65536 / threshold : 0;
        for (int64_t i = 0; i < n; i++) out[0].push_back(static_cast<int>(in[1][U(i / 8)]) >> (i % 8) & 1 ? in[0][U(i)] * scale : 0);
        return out;
      };
      Test(g);
    }
  }
}

// ---- optimizers ----

double Root(double square, double epsilon, bool inside) { return inside ? sqrt(square + epsilon) : sqrt(square) + epsilon; }

void TestOptimizers() {
  for (int64_t n : {0, 1, 15, 16, 17, 31, 1000, 100000}) {
    const Operand theta{{n}, Draw(n)}, g{{n}, Draw(n)}, v{{n}, Draw(n)}, s{{n}, Draw(n, 0, 2)}, lr{{}, {0.125}};
    const Result first{{n}, false, DType::kF32, 0}, second{{n}, false, DType::kF32, 2}, third{{n}, false, DType::kF32, 3}, sum{{}};
    const auto test = [&](const char* name, std::vector<Operand> inputs, std::vector<Result> outputs, Numbers attributes, std::function<std::vector<double>(const Lists&, size_t)> f) {
      Case c{name, std::move(inputs), std::move(outputs), std::move(attributes), nullptr, 1e-6, 1e-15, 2e-7, 1e-15};
      c.expected = [&](const Lists& in) {
        Lists out(c.outputs.size() - 1, Numbers(U(n)));
        // The kernels' own sum is a tree; a plain sum of 100,000 would be the worse of the two.
        long double squares = 0;
        for (size_t i = 0; i < U(n); i++) {
          const std::vector<double> results = f(in, i);
          for (size_t o = 0; o < out.size(); o++) out[o][i] = results[o];
          squares += in[1][i] * in[1][i];
        }
        out.push_back({static_cast<double>(squares)});
        return out;
      };
      Test(c);
    };
    test("sgdUpdate", {theta, g, lr}, {first, sum}, {}, [](const Lists& in, size_t i) { return Numbers{in[0][i] - in[2][0] * in[1][i]}; });
    for (int flag = 0; flag < 2; flag++) {
      const bool on = flag != 0;
      const double f = flag;
      test("momentumUpdate", {theta, g, v, lr}, {first, second, sum}, {0.9, on ? 1 : 0.1, f}, [on](const Lists& in, size_t i) {
        const double push = (on ? 1 : 0.1) * in[1][i], next = 0.9 * in[2][i] + push;
        return Numbers{in[0][i] - in[3][0] * (on ? 0.9 * next + push : next), next};
      });
      test("rmspropUpdate", {theta, g, s, lr}, {first, second, sum}, {0.9, 1e-3, f}, [on](const Lists& in, size_t i) {
        const double next = 0.9 * in[2][i] + (1 - 0.9) * in[1][i] * in[1][i];
        return Numbers{in[0][i] - in[3][0] * in[1][i] / Root(next, 1e-3, on), next};
      });
      test("adagradUpdate", {theta, g, s, lr}, {first, second, sum}, {1e-3, f}, [on](const Lists& in, size_t i) {
        const double next = in[2][i] + in[1][i] * in[1][i];
        return Numbers{in[0][i] - in[3][0] * in[1][i] / Root(next, 1e-3, on), next};
      });
      test("adamUpdate", {theta, g, v, s, lr, {{}, {0.271}}, {{}, {0.003}}}, {first, second, third, sum}, {0.9, 0.999, 1e-3, f, 0.01}, [on](const Lists& in, size_t i) {
        const double m = 0.9 * in[2][i] + (1 - 0.9) * in[1][i], w = 0.999 * in[3][i] + (1 - 0.999) * in[1][i] * in[1][i], rate = in[4][0];
        return Numbers{in[0][i] * (1 - rate * 0.01) - rate * (m / in[5][0]) / Root(w / in[6][0], 1e-3, on), m, w};
      });
    }
  }
}

// ---- what kernels refuse, and indices out of range ----

std::string Refusal(const char* name, std::vector<Operand> inputs, std::vector<Result> outputs, Numbers attributes, Worker* worker = nullptr) {
  const KernelTable* tables[kMaxTables];
  UsableTables(tables);
  std::vector<std::unique_ptr<Tensor>> tensors;
  std::vector<Slice> slices;
  for (const Operand& operand : inputs) {
    tensors.emplace_back(new Tensor(operand.dtype, operand.shape));
    tensors.back()->Fill(operand.values);
    slices.push_back(tensors.back()->slice());
  }
  for (const Result& result : outputs) {
    tensors.emplace_back(new Tensor(result.dtype, result.shape));
    slices.push_back(tensors.back()->slice());
  }
  const Call call{slices.data(), static_cast<int32_t>(inputs.size()), slices.data() + inputs.size(), static_cast<int32_t>(outputs.size()), attributes.data(), static_cast<int32_t>(attributes.size()), nullptr};
  static char* scratch = static_cast<char*>(aligned_alloc(64, kWorkerScratch));
  Worker own{scratch, -1, -1};
  if (worker != nullptr) worker->scratch = scratch;
  std::string refusal;
  RunCall(*Find(*tables[0], name), call, Cut::kWhole, worker != nullptr ? *worker : own, &refusal);
  return refusal;
}

void TestRefusals() {
  const Operand x{{4, 6}, Draw(24)}, row{{6}, Draw(6)}, five{{5}, Draw(5)};
  const Result y{{4, 6}}, one{{6}}, short_one{{5}}, i32{{4, 6}, false, DType::kI32};
  CHECK_TEXT(Refusal("relu", {x}, {y}, {}), "");
  CHECK(!Refusal("relu", {x}, {short_one}, {}).empty());
  CHECK(!Refusal("relu", {x}, {y}, {1}).empty());
  CHECK(!Refusal("relu", {x, x}, {y}, {}).empty());
  CHECK(!Refusal("relu", {x}, {i32}, {}).empty());
  CHECK_TEXT(Refusal("relu", {{{4, 6}, Draw(24), true, DType::kI32}}, {i32}, {}), kUnsupported);
  CHECK(!Refusal("add", {x, five}, {y}, {}).empty());
  CHECK(!Refusal("add", {x, row}, {one}, {}).empty());
  CHECK(!Refusal("sum", {x}, {one}, {0, 3, 0}).empty());
  CHECK(!Refusal("sum", {x}, {one}, {kNan, 1, 0}).empty());
  CHECK(!Refusal("sum", {x}, {one}, {0.5, 1, 0}).empty());
  CHECK(!Refusal("sum", {x}, {short_one}, {0, 1, 0}).empty());
  CHECK(!Refusal("transpose", {x}, {y}, {2, 1, 0}).empty());
  CHECK(!Refusal("transpose", {x}, {y}, {2, 0, 0}).empty());
  CHECK(!Refusal("transpose", {x}, {y}, {7, 0, 1}).empty());
  CHECK(!Refusal("slice", {x}, {{{2, 6}}}, {2, 3, 0, 2, 2, 6}).empty());
  CHECK(!Refusal("slice", {x}, {{{2, 6}}}, {2, -1, 0, 2, 2, 6}).empty());
  CHECK(!Refusal("slice", {x}, {{{2, 6}}}, {2, 1, 0}).empty());
  CHECK(!Refusal("pad", {x}, {{{6, 6}}}, {2, 1, 0, 2, 2, 0, 0}).empty());
  CHECK(!Refusal("concat", {x, x}, {{{9, 6}}}, {0}).empty());
  CHECK(!Refusal("pack", {x, row}, {{{30}}}, {2, 0, 20, 30}).empty());
  CHECK(!Refusal("pack", {x, row}, {{{30}}}, {2, 0, 25, 30}).empty());
  CHECK(!Refusal("view", {x}, {one}, {20, 1, 6}).empty());
  CHECK(!Refusal("batchNorm", {x, row, five}, {y, one, one}, {1e-5, 0}).empty());
  CHECK(!Refusal("batchNorm", {x, row, row}, {y, one, short_one}, {1e-5, 0}).empty());
  CHECK(!Refusal("layerNorm", {x, row, row}, {y, one, one}, {1e-5}).empty());
  CHECK(!Refusal("softmaxCrossEntropy", {x, Ints({6}, Indices(6, 6))}, {{{4}}, y}, {}).empty());
  CHECK(!Refusal("dropout", {x, {{}, {0.5}}, Ints({3}, {1, 2, 3})}, {y, {{2}, false, DType::kU8}}, {0}).empty());
  CHECK(!Refusal("dropout", {x, {{}, {0.5}}, Ints({2}, {1, 2})}, {y, {{3}, false, DType::kU8}}, {0}).empty());
  CHECK(!Refusal("adamUpdate", {x, x, x, row, {{}, {1}}, {{}, {1}}, {{}, {1}}}, {y, y, y, {{}}}, {0.9, 0.999, 1e-8, 0, 0}).empty());
  CHECK(!Refusal("standardizedRows", {x, Ints({2}, {0, 1}), {{5}, Draw(5)}, {{6}, Draw(6)}}, {{{2, 6}}}, {}).empty());
  CHECK(!Refusal("gather", {x, Ints({2}, {0, 1})}, {{{3, 6}}}, {0}).empty());

  const auto reported = [](const char* name, std::vector<Operand> inputs, std::vector<Result> outputs, Numbers attributes, int64_t index, int64_t bound) {
    Worker worker{nullptr, -1, -1};
    CHECK_TEXT(Refusal(name, std::move(inputs), std::move(outputs), std::move(attributes), &worker), "");
    CHECK(worker.bad_index == index);
    CHECK(worker.bad_bound == bound);
  };
  const Operand bad = Ints({2}, {1, 4}), negative = Ints({2}, {-1, 3});
  const Result two{{2, 6}};
  reported("gather", {x, bad}, {two}, {0}, 4, 4);
  reported("gather", {x, negative}, {two}, {0}, -1, 4);
  reported("gatherRows", {x, bad}, {two}, {0}, 4, 4);
  reported("standardizedRows", {x, bad, {{6}, Draw(6)}, {{6}, Draw(6)}}, {two}, {}, 4, 4);
  reported("scatterAdd", {bad, {{2, 6}, Draw(12)}}, {y}, {0, 4}, 4, 4);
  reported("oneHot", {negative}, {{{2, 4}}}, {4, 0}, -1, 4);
  reported("softmaxCrossEntropy", {{{2, 4}, Draw(8)}, bad}, {{{2}}, {{2, 4}}}, {}, 4, 4);
  reported("softmaxCrossEntropyGradient", {{{2, 4}, Draw(8)}, negative, {{2}, Draw(2)}}, {{{2, 4}}}, {}, -1, 4);
}

}  // namespace

int main() {
  TestNormalization();
  TestLosses();
  TestDropout();
  TestOptimizers();
  TestRefusals();
  return Summary("layers");
}
