// The kernels matmul and linear of every instruction set this processor has, without Node: against sums in double, with
// operands that end (or begin) at forbidden memory, in several cuts into pieces, and bit for bit across instruction sets.
// Prints one line per group and exits 1 at the first failure.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <string>
#include <vector>

#include "../dispatch.h"

using namespace minibatch;

namespace {

int failures = 0;

void Fail(const std::string& what) {
  printf("FAILED: %s\n", what.c_str());
  if (++failures >= 20) exit(1);
}

uint64_t state = 88172645463325252ull;
uint32_t Next() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<uint32_t>(state >> 32);
}
double Uniform() { return Next() / 4294967296.0 - 0.5; }

// Memory between two forbidden pages, the elements at its very end or its very beginning: a read or write beyond faults.
class Guarded {
 public:
  Guarded(size_t bytes, bool at_end) {
    const size_t page = 4096, whole = (bytes + page - 1) / page * page;
    total_ = whole + 2 * page;
    base_ = static_cast<char*>(mmap(nullptr, total_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) abort();
    mprotect(base_, page, PROT_NONE);
    mprotect(base_ + page + whole, page, PROT_NONE);
    data_ = at_end ? base_ + page + whole - bytes : base_ + page;
  }
  ~Guarded() { munmap(base_, total_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  char* data() { return data_; }

 private:
  char* base_;
  char* data_;
  size_t total_;
};

Slice MakeSlice(void* data, DType dtype, std::vector<int64_t> shape) {
  Slice slice{};
  slice.data = data;
  slice.dtype = dtype;
  slice.rank = static_cast<int32_t>(shape.size());
  slice.size = 1;
  for (size_t i = 0; i < shape.size(); i++) {
    slice.shape[i] = shape[i];
    slice.size *= shape[i];
  }
  return slice;
}

const Kernel* Find(const KernelTable& table, const char* name) {
  for (int32_t i = 0; i < table.count; i++) {
    if (strcmp(table.kernels[i].name, name) == 0) return &table.kernels[i];
  }
  return nullptr;
}

enum class Cut { kWhole, kSingly, kUneven };

// Runs all pieces of a call, cut as said, backwards where cut: the order must not matter.
void RunCall(const Kernel& kernel, const Call& call, Cut cut, char* scratch) {
  Worker worker{scratch, -1, -1};
  const int32_t phases = kernel.phases ? kernel.phases(call) : 1;
  for (int32_t phase = 0; phase < phases; phase++) {
    const int64_t pieces = kernel.pieces ? kernel.pieces(call, phase) : 1;
    int64_t end = pieces, take = 1;
    while (end > 0) {
      int64_t count = cut == Cut::kWhole ? pieces : cut == Cut::kSingly ? 1 : take;
      if (count > end) count = end;
      kernel.run(call, phase, end - count, end, worker);
      end -= count;
      take = take % 3 + 1;
    }
  }
}

struct Case {
  int64_t batch;  // 0: rank 2
  int64_t m, k, n;
};

std::string Describe(const char* isa, const char* type, const Case& c, bool ta, bool tb) {
  char text[200];
  snprintf(text, sizeof(text), "%s %s batch %lld %lldx%lldx%lld%s%s", isa, type, static_cast<long long>(c.batch),
           static_cast<long long>(c.m), static_cast<long long>(c.k), static_cast<long long>(c.n), ta ? " A^T" : "", tb ? " B^T" : "");
  return text;
}

template <typename T>
constexpr DType kType = sizeof(T) == 4 ? DType::kF32 : DType::kF64;
template <typename T>
constexpr double kEpsilon = sizeof(T) == 4 ? 5.97e-8 : 1.12e-16;

// One case on all instruction sets; linear = with bias and activation instead of transpositions.
template <typename T>
void Test(const Case& c, bool ta, bool tb, bool linear, int activation, char* scratch) {
  const int64_t batch = c.batch == 0 ? 1 : c.batch;
  const size_t a_count = static_cast<size_t>(batch * c.m * c.k), b_count = static_cast<size_t>(batch * c.k * c.n);
  const size_t c_count = static_cast<size_t>(batch * c.m * c.n), bias_count = static_cast<size_t>(c.n);
  std::vector<T> a(a_count), b(b_count), bias(bias_count);
  for (T& x : a) x = static_cast<T>(Uniform());
  for (T& x : b) x = static_cast<T>(Uniform());
  for (T& x : bias) x = static_cast<T>(Uniform());
  std::vector<double> expected(c_count), magnitude(c_count);
  for (int64_t g = 0; g < batch; g++) {
    const T* ag = a.data() + g * c.m * c.k;
    const T* bg = b.data() + g * c.k * c.n;
    for (int64_t i = 0; i < c.m; i++) {
      std::vector<double> sum(static_cast<size_t>(c.n)), absolute(static_cast<size_t>(c.n));
      for (int64_t p = 0; p < c.k; p++) {
        const double left = static_cast<double>(ta ? ag[p * c.m + i] : ag[i * c.k + p]);
        for (int64_t j = 0; j < c.n; j++) {
          const double term = left * static_cast<double>(tb ? bg[j * c.k + p] : bg[p * c.n + j]);
          sum[static_cast<size_t>(j)] += term;
          absolute[static_cast<size_t>(j)] += fabs(term);
        }
      }
      for (int64_t j = 0; j < c.n; j++) {
        const size_t at = static_cast<size_t>((g * c.m + i) * c.n + j);
        expected[at] = sum[static_cast<size_t>(j)];
        magnitude[at] = absolute[static_cast<size_t>(j)];
        if (linear) {
          expected[at] += static_cast<double>(bias[static_cast<size_t>(j)]);
          magnitude[at] += 1;
          if (activation == 1 && expected[at] < 0) expected[at] = 0;
        }
      }
    }
  }
  const KernelTable* tables[kMaxTables];
  const int32_t table_count = UsableTables(tables);
  std::vector<T> first;  // of the first instruction set with fused multiply-adds
  for (int32_t t = 0; t < table_count; t++) {
    const Kernel* kernel = Find(*tables[t], linear ? "linear" : "matmul");
    const std::string name = Describe(tables[t]->isa, sizeof(T) == 4 ? "f32" : "f64", c, ta, tb) + (linear ? " linear" : "");
    if (!kernel) return Fail(name + ": no kernel");
    std::vector<T> reference;
    for (int variant = 0; variant < 4; variant++) {
      const bool at_end = variant != 1;
      const Cut cut = variant == 2 ? Cut::kSingly : variant == 3 ? Cut::kUneven : Cut::kWhole;
      Guarded am(a_count * sizeof(T), at_end), bm(b_count * sizeof(T), at_end);
      Guarded cm(c_count * sizeof(T), at_end), vm(bias_count * sizeof(T), at_end);
      if (a_count) memcpy(am.data(), a.data(), a_count * sizeof(T));
      if (b_count) memcpy(bm.data(), b.data(), b_count * sizeof(T));
      if (bias_count) memcpy(vm.data(), bias.data(), bias_count * sizeof(T));
      memset(cm.data(), 0xff, c_count * sizeof(T));  // NaN: an element not written, or read first, shows
      memset(scratch, 0xff, static_cast<size_t>(kWorkerScratch));
      std::vector<int64_t> as = {ta ? c.k : c.m, ta ? c.m : c.k}, bs = {tb ? c.n : c.k, tb ? c.k : c.n}, cs = {c.m, c.n};
      if (c.batch > 0) {
        as.insert(as.begin(), c.batch);
        bs.insert(bs.begin(), c.batch);
        cs.insert(cs.begin(), c.batch);
      }
      const Slice in[3] = {MakeSlice(am.data(), kType<T>, as), MakeSlice(bm.data(), kType<T>, bs),
                           MakeSlice(vm.data(), kType<T>, {c.n})};
      const Slice out = MakeSlice(cm.data(), kType<T>, cs);
      const double attributes[2] = {linear ? static_cast<double>(activation) : static_cast<double>(ta), static_cast<double>(tb)};
      const Call call{in, linear ? 3 : 2, &out, 1, attributes, linear ? 1 : 2, nullptr};
      if (const char* wrong = kernel->check(call)) return Fail(name + ": check says " + wrong);
      RunCall(*kernel, call, cut, scratch);
      const T* result = reinterpret_cast<const T*>(cm.data());
      if (variant == 0) {
        reference.assign(result, result + c_count);
        // Chains of at most 384 terms, then blocks added: a quarter of the worst case, far above what roundings make.
        const double factor = kEpsilon<T> * (4 + static_cast<double>(c.k < 384 ? c.k : 384) / 4 + static_cast<double>(c.k) / 192);
        for (size_t i = 0; i < c_count; i++) {
          if (!(fabs(static_cast<double>(result[i]) - expected[i]) <= factor * magnitude[i])) {
            char text[200];
            snprintf(text, sizeof(text), ": element %zu is %.9g, should be %.9g", i, static_cast<double>(result[i]), expected[i]);
            return Fail(name + text);
          }
        }
      } else if (c_count && memcmp(reference.data(), result, c_count * sizeof(T)) != 0) {
        return Fail(name + ": bits depend on the cut or the place, variant " + std::to_string(variant));
      }
    }
    if (strcmp(tables[t]->isa, "scalar") == 0) continue;
    if (first.empty()) first = reference;
    else if (c_count && memcmp(first.data(), reference.data(), c_count * sizeof(T)) != 0) {
      Fail(name + ": bits differ between instruction sets");
    }
  }
}

template <typename T>
void TestCases(char* scratch) {
  const Case products[] = {
      // ordinary and odd sizes, several blocks of depth, columns and rows
      {0, 1, 1, 1}, {0, 2, 3, 4}, {0, 5, 7, 9}, {0, 8, 16, 48}, {0, 9, 17, 49}, {0, 13, 31, 33}, {0, 64, 64, 64}, {0, 37, 1111, 53},
      {0, 131, 777, 259}, {0, 128, 40, 800}, {0, 130, 530, 1100}, {0, 300, 513, 97}, {0, 600, 300, 70}, {0, 256, 64, 17},
      // few rows
      {0, 1, 784, 512}, {0, 1, 100, 1000}, {0, 3, 50, 1003}, {0, 2, 1030, 300}, {0, 32, 256, 784}, {0, 31, 100, 77}, {0, 17, 600, 203},
      {0, 24, 40, 25}, {0, 10, 300, 500}, {0, 16, 300, 500}, {0, 7, 4103, 19}, {0, 1, 513, 8},
      // few columns, little depth
      {0, 128, 512, 10}, {0, 128, 10, 512}, {0, 512, 128, 10}, {0, 200, 33, 16}, {0, 100, 4200, 3}, {0, 129, 65, 1}, {0, 1, 65, 1},
      {0, 65, 31, 7}, {0, 12, 8, 2000}, {0, 2000, 8, 12}, {0, 5, 520, 2}, {0, 1000, 3, 1}, {0, 100, 40, 5},
      {0, 100, 100, 12}, {0, 100, 100, 13}, {0, 12, 100, 300}, {0, 13, 100, 300}, {0, 60, 1500, 11},
      // nothing
      {0, 0, 3, 4}, {0, 3, 0, 4}, {0, 3, 4, 0}, {0, 0, 0, 0},
      // batches
      {1, 5, 6, 7}, {3, 20, 30, 40}, {50, 4, 5, 6}, {7, 64, 64, 64}, {3, 128, 128, 128}, {4, 40, 100, 10}, {2, 30, 200, 400},
      {300, 1, 20, 1}};
  for (const Case& c : products) {
    for (int transposed = 0; transposed < 4; transposed++) Test<T>(c, transposed & 1, transposed & 2, false, 0, scratch);
    if (c.batch == 0) {
      for (int activation = 0; activation < 2; activation++) Test<T>(c, false, false, true, activation, scratch);
    }
  }
  for (int i = 0; i < 60; i++) {
    const Case c = {Next() % 4 == 0 ? 1 + Next() % 5 : 0, 1 + Next() % 90, 1 + Next() % 130, 1 + Next() % 150};
    Test<T>(c, Next() & 1, Next() & 1, false, 0, scratch);
    if (c.batch == 0) Test<T>(c, false, false, true, Next() & 1, scratch);
  }
}

// NaN and infinity reach every element they belong to, through the activation too, and no other.
template <typename T>
void TestNan(char* scratch) {
  const KernelTable* tables[kMaxTables];
  const int32_t table_count = UsableTables(tables);
  for (int32_t t = 0; t < table_count; t++) {
    for (const int64_t n : {10, 50}) {
      const int64_t m = 19, k = 40;
      std::vector<T> x(static_cast<size_t>(m * k), 1), w(static_cast<size_t>(k * n), -1);
      std::vector<T> bias(static_cast<size_t>(n), 1), y(static_cast<size_t>(m * n));
      x[static_cast<size_t>(7 * k + 39)] = static_cast<T>(NAN);
      x[static_cast<size_t>(18 * k)] = static_cast<T>(-INFINITY);
      const Slice in[3] = {MakeSlice(x.data(), kType<T>, {m, k}), MakeSlice(w.data(), kType<T>, {k, n}),
                           MakeSlice(bias.data(), kType<T>, {n})};
      const Slice out = MakeSlice(y.data(), kType<T>, {m, n});
      const double attributes[1] = {1};
      const Call call{in, 3, &out, 1, attributes, 1, nullptr};
      RunCall(*Find(*tables[t], "linear"), call, Cut::kWhole, scratch);
      for (int64_t i = 0; i < m * n; i++) {
        const T value = y[static_cast<size_t>(i)];
        const bool good = i / n == 7 ? value != value : i / n == 18 ? static_cast<double>(value) == INFINITY : value == 0;
        if (!good) return Fail(std::string(tables[t]->isa) + ": NaN or infinity got lost or spread");
      }
    }
  }
}

// A row of x w has the same bits alone and in any batch.
template <typename T>
void TestRows(char* scratch) {
  const KernelTable* tables[kMaxTables];
  const int32_t table_count = UsableTables(tables);
  const int64_t most = 150, k = 790;
  for (const int64_t n : {1, 10, 12, 13, 17, 100, 800}) {
    std::vector<T> x(static_cast<size_t>(most * k)), w(static_cast<size_t>(k * n)), y(static_cast<size_t>(most * n));
    for (T& value : x) value = static_cast<T>(Uniform());
    for (T& value : w) value = static_cast<T>(Uniform());
    for (int32_t t = 0; t < table_count; t++) {
      std::vector<T> row;
      for (const int64_t m : {1, 2, 7, 33, 150}) {
        const Slice in[2] = {MakeSlice(x.data(), kType<T>, {m, k}), MakeSlice(w.data(), kType<T>, {k, n})};
        const Slice out = MakeSlice(y.data(), kType<T>, {m, n});
        const double attributes[1] = {0};
        const Call call{in, 2, &out, 1, attributes, 1, nullptr};
        RunCall(*Find(*tables[t], "linear"), call, Cut::kWhole, scratch);
        if (row.empty()) row.assign(y.begin(), y.begin() + n);
        if (memcmp(row.data(), y.data(), row.size() * sizeof(T)) != 0) {
          return Fail(std::string(tables[t]->isa) + ": the bits of a row depend on the batch, n = " + std::to_string(n));
        }
      }
    }
  }
}

// What check must refuse, as run would leave the slices.
void TestChecks() {
  const KernelTable* tables[kMaxTables];
  const int32_t table_count = UsableTables(tables);
  const auto f = [](std::vector<int64_t> shape) { return MakeSlice(nullptr, DType::kF32, shape); };
  const auto i = [](std::vector<int64_t> shape) { return MakeSlice(nullptr, DType::kI32, shape); };
  const auto d = [](std::vector<int64_t> shape) { return MakeSlice(nullptr, DType::kF64, shape); };
  Slice liar = f({4, 5});
  liar.size = 19;
  Slice negative = f({4, -5});
  struct Wrong {
    const char* kernel;
    std::vector<Slice> in;
    Slice out;
    std::vector<double> attributes;
    bool fine, unsupported;
  };
  const Wrong cases[] = {
      {"matmul", {f({2, 3}), f({3, 4})}, f({2, 4}), {0, 0}, true, false},
      {"matmul", {f({3, 2}), f({4, 3})}, f({2, 4}), {1, 1}, true, false},
      {"matmul", {f({2, 3}), f({3, 4})}, f({2, 4}), {1, 0}, false, false},
      {"matmul", {f({2, 3}), f({3, 4})}, f({2, 4}), {0, 1}, false, false},
      {"matmul", {f({2, 3}), f({3, 4})}, f({2, 5}), {0, 0}, false, false},
      {"matmul", {f({2, 3}), f({3, 4})}, f({3, 4}), {0, 0}, false, false},
      {"matmul", {f({2, 3}), f({3, 4})}, f({2, 4}), {0, 2}, false, false},
      {"matmul", {f({2, 3}), f({3, 4})}, f({2, 4}), {0, NAN}, false, false},
      {"matmul", {f({2, 3}), f({3, 4})}, f({2, 4}), {0}, false, false},
      {"matmul", {f({2, 3}), f({5, 4})}, f({2, 4}), {0, 0}, false, false},
      {"matmul", {f({2, 3}), f({3, 4})}, f({2, 3, 4}), {0, 0}, false, false},
      {"matmul", {f({2, 3})}, f({2, 4}), {0, 0}, false, false},
      {"matmul", {f({2, 3}), f({3, 4}), f({4})}, f({2, 4}), {0, 0}, false, false},
      {"matmul", {f({3}), f({3})}, f({}), {0, 0}, false, false},
      {"matmul", {f({5, 2, 3}), f({3, 4})}, f({5, 2, 4}), {0, 0}, false, false},
      {"matmul", {f({5, 2, 3}), f({6, 3, 4})}, f({5, 2, 4}), {0, 0}, false, false},
      {"matmul", {f({5, 2, 3}), f({5, 3, 4})}, f({6, 2, 4}), {0, 0}, false, false},
      {"matmul", {f({6, 2, 3}), f({5, 3, 4})}, f({5, 2, 4}), {0, 0}, false, false},
      {"matmul", {f({1, 2, 3}), f({3, 4})}, f({2, 4}), {0, 0}, false, false},
      {"matmul", {f({2, 3}), d({3, 4})}, f({2, 4}), {0, 0}, false, false},
      {"matmul", {i({2, 3}), i({3, 4})}, i({2, 4}), {0, 0}, false, true},
      {"matmul", {liar, f({5, 4})}, f({4, 4}), {0, 0}, false, false},
      {"matmul", {negative, f({-5, 4})}, f({4, 4}), {0, 0}, false, false},
      {"linear", {f({2, 3}), f({3, 4}), f({4})}, f({2, 4}), {0}, true, false},
      {"linear", {d({2, 3}), d({3, 4})}, d({2, 4}), {1}, true, false},
      {"linear", {f({2, 3}), f({3, 4}), f({3})}, f({2, 4}), {0}, false, false},
      {"linear", {f({2, 3}), f({3, 4}), f({1, 4})}, f({2, 4}), {0}, false, false},
      {"linear", {f({2, 3}), f({4, 3}), f({4})}, f({2, 4}), {0}, false, false},
      {"linear", {f({2, 3}), f({5, 4}), f({4})}, f({2, 4}), {0}, false, false},
      {"linear", {f({2, 3}), f({3, 4}), f({4})}, f({3, 4}), {0}, false, false},
      {"linear", {f({2, 3}), f({3, 4})}, f({2, 5}), {0}, false, false},
      {"linear", {f({2, 3}), f({3, 4})}, f({2, 4}), {0, 0}, false, false},
      {"linear", {f({2, 3})}, f({2, 4}), {0}, false, false},
      {"linear", {f({2, 3}), f({3, 4}), f({4})}, f({2, 4}), {2}, false, false},
      {"linear", {f({1, 2, 3}), f({3, 4}), f({4})}, f({2, 4}), {0}, false, false},
      {"linear", {f({2, 3}), f({3, 4}), d({4})}, f({2, 4}), {0}, false, false},
  };
  for (int32_t t = 0; t < table_count; t++) {
    int index = 0;
    for (const Wrong& wrong : cases) {
      const Call call{wrong.in.data(), static_cast<int32_t>(wrong.in.size()), &wrong.out, 1, wrong.attributes.data(),
                      static_cast<int32_t>(wrong.attributes.size()), nullptr};
      const char* answer = Find(*tables[t], wrong.kernel)->check(call);
      const bool unsupported = answer && strcmp(answer, kUnsupported) == 0;
      if ((answer == nullptr) != wrong.fine || unsupported != wrong.unsupported) {
        Fail(std::string(tables[t]->isa) + " check, case " + std::to_string(index) + ": " + (answer ? answer : "accepted"));
      }
      index++;
    }
  }
}

}  // namespace

int main() {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  Guarded scratch(static_cast<size_t>(kWorkerScratch), true);
  TestChecks();
  printf("checks done\n");
  TestNan<float>(scratch.data());
  TestNan<double>(scratch.data());
  printf("NaN done\n");
  TestRows<float>(scratch.data());
  TestRows<double>(scratch.data());
  printf("rows done\n");
  TestCases<float>(scratch.data());
  printf("f32 done\n");
  TestCases<double>(scratch.data());
  printf("f64 done\n");
  printf(failures ? "%d failures\n" : "all passed\n", failures);
  return failures ? 1 : 0;
}
