// Products by a loaded CBLAS: what is refused and how, and the kernels of native/blas against sums in double, with
// operands that end at forbidden memory, in several cuts and on several threads. Always with small libraries of its own
// (fake_blas.cc), and with the real one that MINIBATCH_BLAS names when the test is run so.
#include <thread>

#include "../blas/kernels.h"
#include "kernel_harness.h"

using namespace minibatch;

namespace {

char* worker_scratch;

void TestRefusals() {
  const auto error = [](const char* path) {
    std::string text;
    CHECK(LoadBlas(path, &text) == nullptr);
    const size_t at = text.find(path);
    return at == std::string::npos ? text : text.replace(at, strlen(path), "PATH");
  };
  const std::string missing = error("/nowhere/libblas.so");
  CHECK(missing.find("must be a shared library with cblas_sgemm and cblas_dgemm, got \"PATH\" which does not load: ") == 0);
  CHECK_TEXT(error(FAKE_HALF), "must be a shared library with cblas_sgemm and cblas_dgemm, got \"PATH\" without cblas_dgemm");
  CHECK_TEXT(error(FAKE_WIDE_NAMES), "must be a BLAS built for 32-bit integers, got \"PATH\" with cblas_sgemm_64");
  CHECK_TEXT(error(FAKE_WIDE), "must be a BLAS built for 32-bit integers, got \"PATH\" whose product of 1x2 and 2x1 is wrong (64-bit "
                               "integers under the usual names?)");
}

struct Product {
  int64_t batch;  // 0: rank 2
  int64_t m, k, n;
};

// One call in every cut; linear = 2 or 3 inputs.
void TestProduct(const KernelTable& table, const Product& p, DType dtype, bool ta, bool tb, int linear, bool relu) {
  const int64_t batch = p.batch == 0 ? 1 : p.batch;
  const auto shape = [&](int64_t rows, int64_t columns) { return p.batch == 0 ? Shape{rows, columns} : Shape{p.batch, rows, columns}; };
  Tensor a(dtype, ta ? shape(p.k, p.m) : shape(p.m, p.k)), b(dtype, tb ? shape(p.n, p.k) : shape(p.k, p.n)), bias(dtype, {p.n});
  for (Tensor* x : {&a, &b, &bias}) x->Fill(Draw(x->size(), -1, 1));
  const Numbers av = a.Read(), bv = b.Read(), cv = bias.Read();
  Numbers first;
  for (const Cut cut : {Cut::kWhole, Cut::kSingleBackwards, Cut::kPairs}) {
    Tensor c(dtype, shape(p.m, p.n), cut != Cut::kPairs);
    c.Fill(Numbers(static_cast<size_t>(c.size()), NAN));
    const Slice in[3] = {a.slice(), b.slice(), bias.slice()}, out = c.slice();
    const double attributes[2] = {linear ? static_cast<double>(relu) : static_cast<double>(ta), static_cast<double>(tb)};
    const Call call{in, linear ? linear : 2, &out, 1, attributes, linear ? 1 : 2, nullptr};
    Worker worker{worker_scratch, -1, -1};
    std::string refusal;
    CHECK(RunCall(*Find(table, linear ? "linear" : "matmul"), call, cut, worker, &refusal));
    CHECK_TEXT(refusal, "");
    const Numbers got = c.Read();
    if (cut != Cut::kWhole) {
      bool same = true;
      for (size_t i = 0; i < got.size(); i++) same = same && SameNumber(got[i], first[i]);
      CHECK(same);
      continue;
    }
    first = got;
    const double epsilon = dtype == DType::kF32 ? 5.97e-8 : 1.12e-16;
    bool close = true;
    for (int64_t g = 0; g < batch; g++) {
      for (int64_t i = 0; i < p.m; i++) {
        for (int64_t j = 0; j < p.n; j++) {
          double sum = linear == 3 ? cv[static_cast<size_t>(j)] : 0, size = fabs(sum);
          for (int64_t q = 0; q < p.k; q++) {
            const int64_t at = g * p.m * p.k + (ta ? q * p.m + i : i * p.k + q), bt = g * p.k * p.n + (tb ? j * p.k + q : q * p.n + j);
            const double term = av[static_cast<size_t>(at)] * bv[static_cast<size_t>(bt)];
            sum += term;
            size += fabs(term);
          }
          if (relu && sum < 0) sum = 0;
          const double is = got[static_cast<size_t>((g * p.m + i) * p.n + j)];
          close = close && fabs(is - sum) <= epsilon * (4 + static_cast<double>(p.k) / 4) * size;  // false for NaN
        }
      }
    }
    if (!close) {
      printf("batch %lld %lldx%lldx%lld %s%s%s linear %d\n", static_cast<long long>(p.batch), static_cast<long long>(p.m),
             static_cast<long long>(p.k), static_cast<long long>(p.n), dtype == DType::kF32 ? "f32" : "f64", ta ? " A^T" : "",
             tb ? " B^T" : "", linear);
    }
    CHECK(close);
  }
}

void TestProducts(const KernelTable& table) {
  // One piece, several in rows, in columns and in both, with ragged ends; nothing; batches in groups and in parts.
  const Product products[] = {{0, 1, 1, 1},       {0, 5, 7, 9},       {0, 33, 1, 65},     {0, 1, 300, 2},
                              {0, 500, 300, 203}, {0, 201, 300, 501}, {0, 20, 400, 1999}, {0, 2100, 200, 3},
                              {0, 0, 3, 4},       {0, 3, 0, 4},       {0, 3, 4, 0},       {0, 0, 0, 0},
                              {1, 5, 6, 7},       {700, 13, 5, 9},    {3, 301, 210, 203}, {2, 3, 0, 4}};
  for (const Product& p : products) {
    for (const DType dtype : {DType::kF32, DType::kF64}) {
      for (int transposed = 0; transposed < 4; transposed++) TestProduct(table, p, dtype, transposed & 1, transposed & 2, 0, false);
      if (p.batch > 0) continue;
      for (int linear = 2; linear <= 3; linear++) {
        for (const bool relu : {false, true}) TestProduct(table, p, dtype, false, false, linear, relu);
      }
    }
  }
}

// Activation keeps NaN, and a size beyond the library's integers is left to others.
void TestEdges(const KernelTable& table) {
  Tensor x(DType::kF32, {2, 1}), w(DType::kF32, {1, 3}), y(DType::kF32, {2, 3});
  x.Fill({NAN, -1});
  w.Fill({1, 1, 1});
  Slice in[2] = {x.slice(), w.slice()}, out = y.slice();
  const double attributes[2] = {1, 0};
  Call call{in, 2, &out, 1, attributes, 1, nullptr};
  Worker worker{worker_scratch, -1, -1};
  std::string refusal;
  CHECK(RunCall(*Find(table, "linear"), call, Cut::kWhole, worker, &refusal));
  const Numbers got = y.Read();
  for (size_t i = 0; i < 6; i++) CHECK(i < 3 ? got[i] != got[i] : got[i] == 0);

  constexpr int64_t kHuge = int64_t{1} << 31;
  in[0].shape[0] = in[0].size = kHuge;
  out.shape[0] = kHuge;
  out.size = 3 * kHuge;
  CHECK_TEXT(Find(table, "linear")->check(call), kUnsupported);
}

// Every thread that multiplies must have told the library to use no threads of its own (else the fake gives NaN).
void TestThreads(const KernelTable& table) {
  std::thread([&] { TestProduct(table, {0, 500, 300, 203}, DType::kF32, false, false, 0, false); }).join();
}

void TestLibrary(const char* path) {
  std::string error;
  const BlasLibrary* library = LoadBlas(path, &error);
  CHECK_TEXT(error, "");
  if (library == nullptr) return;
  printf("%s\n", library->name.c_str());
  const KernelTable* tables[kMaxTables];
  const int32_t count = UsableTables(tables);
  const KernelTable& table = BlasTable(*tables[count - 1], *library);
  CHECK_TEXT(table.isa, tables[count - 1]->isa);
  CHECK(Find(table, "matmul")->run != Find(*tables[count - 1], "matmul")->run);
  CHECK(Find(table, "add") != nullptr && Find(table, "add")->run == Find(*tables[count - 1], "add")->run);
  TestProducts(table);
  TestEdges(table);
  TestThreads(table);
}

}  // namespace

int main() {
  worker_scratch = static_cast<char*>(aligned_alloc(64, kWorkerScratch));
  TestRefusals();
  TestLibrary(FAKE_PLAIN);
  const char* real = getenv("MINIBATCH_BLAS");
  if (real != nullptr && real[0] != '\0') TestLibrary(real);
  else printf("no real library: MINIBATCH_BLAS is not set\n");
  return Summary("blas_test");
}
