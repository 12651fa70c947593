// Speed of the kernel matmul on the shapes of training, without Node; on request beside a CBLAS and oneDNN, loaded at run
// time. Knows nothing of programs.
//
//   gemm_bench [--isa avx2,avx512 | --isa none] [--threads 1] [--blas libopenblas.so.0 [--pieces]] [--dnnl libdnnl.so.2]
//              [--only TEXT] [--seconds 0.3] [--f64]
//
// --pieces adds the library as MINIBATCH_BLAS calls it: in pieces on our threads, with one thread of its own (also for its
// whole calls then).
//
// All candidates are called in turn in samples of about half a millisecond, the order rotating, so that a slow drift of
// the machine meets all of them. Of all rounds the quickest quarter counts (others share the machine's cores and caches):
// medians of it, and a ratio is the median of the ratios of samples of one round. A CBLAS is told to use as many
// threads as we do, oneDNN by OMP_NUM_THREADS: with more than one thread run one library at a time, as their spinning workers
// disturb each other.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "../blas/kernels.h"
#include "../dispatch.h"
#include "../pool.h"

using namespace minibatch;

namespace {

using Dnnl = int (*)(char, char, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t, float, float*, int64_t);

struct Shape {
  const char* name;
  int64_t m, k, n;
  bool ta, tb;
};

// Forward, gradient of weights, gradient of inputs of the layers that the library is measured on, and squares.
const Shape kShapes[] = {
    {"square", 64, 64, 64, false, false},      {"square", 128, 128, 128, false, false}, {"square", 256, 256, 256, false, false},
    {"square", 512, 512, 512, false, false},   {"square", 1024, 1024, 1024, false, false},
    {"fwd", 128, 784, 512, false, false},      {"fwd", 128, 512, 512, false, false},    {"fwd", 128, 512, 256, false, false},
    {"fwd", 128, 512, 10, false, false},       {"fwd", 32, 784, 256, false, false},     {"fwd", 32, 784, 64, false, false},
    {"fwd", 256, 784, 512, false, false},      {"fwd", 1, 784, 512, false, false},      {"fwd", 128, 256, 10, false, false},
    {"fwd_Bt", 128, 784, 512, false, true},    {"fwd_Bt", 1, 784, 512, false, true},
    {"dW", 784, 128, 512, true, false},        {"dW", 512, 128, 256, true, false},      {"dW", 784, 32, 64, true, false},
    {"dW", 784, 32, 256, true, false},         {"dW", 512, 128, 10, true, false},
    {"dX", 128, 512, 784, false, true},        {"dX", 128, 256, 512, false, true},      {"dX", 128, 10, 512, false, true},
    {"dX", 32, 256, 784, false, true},         {"dX", 64, 512, 784, false, true},
    {"wide", 128, 1024, 1024, false, false},   {"wide", 1000, 1024, 1000, false, false}, {"odd", 100, 300, 77, false, false},
};

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double Median(std::vector<double> x) {
  if (x.empty()) return 0;
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

// Keeps the quarter of the rounds (second index) in which all candidates together took least time.
void KeepQuietest(std::vector<std::vector<double>>& speed) {
  const size_t rounds = speed[0].size();
  std::vector<std::pair<double, size_t>> order;
  for (size_t r = 0; r < rounds; r++) {
    double time = 0;
    for (const auto& one : speed) time += 1 / one[r];
    order.push_back({time, r});
  }
  std::sort(order.begin(), order.end());
  std::vector<std::vector<double>> kept(speed.size());
  for (size_t r = 0; r < (rounds + 3) / 4; r++) {
    for (size_t i = 0; i < speed.size(); i++) kept[i].push_back(speed[i][order[r].second]);
  }
  speed = kept;
}

struct Options {
  std::vector<std::string> isas;
  int threads = 1;
  std::string blas, dnnl, only;
  bool pieces = false;
  double seconds = 0.3;
  bool f64 = false;
};

struct Job {
  const Kernel* kernel;
  const Call* call;
};

template <typename T>
struct Bench {
  const Options& options;
  const Shape& shape;
  std::vector<T> a, b, c;
  Slice in[2], out;
  double attributes[2];
  Call call;

  Bench(const Options& options_in, const Shape& s)
      : options(options_in),
        shape(s),
        a(static_cast<size_t>(s.m * s.k)),
        b(static_cast<size_t>(s.k * s.n)),
        c(static_cast<size_t>(s.m * s.n)) {
    uint32_t seed = 1;
    for (auto* list : {&a, &b}) {
      for (T& x : *list) {
        seed = seed * 1664525u + 1013904223u;
        x = static_cast<T>(static_cast<double>(seed >> 8) / 16777216.0 - 0.5);
      }
    }
    const DType dtype = sizeof(T) == 4 ? DType::kF32 : DType::kF64;
    in[0] = {a.data(), dtype, 2, {s.ta ? s.k : s.m, s.ta ? s.m : s.k}, s.m * s.k};
    in[1] = {b.data(), dtype, 2, {s.tb ? s.n : s.k, s.tb ? s.k : s.n}, s.k * s.n};
    out = {c.data(), dtype, 2, {s.m, s.n}, s.m * s.n};
    attributes[0] = s.ta;
    attributes[1] = s.tb;
    call = {in, 2, &out, 1, attributes, 2, nullptr};
  }

  void RunOurs(const Kernel& kernel, Crew& crew) {
    const Job job{&kernel, &call};
    const Work work{[](const void* context, int64_t begin, int64_t end, Worker& worker) {
                      const Job& j = *static_cast<const Job*>(context);
                      j.kernel->run(*j.call, 0, begin, end, worker);
                    },
                    &job, kernel.pieces(call, 0)};
    crew.Run(work);
  }

  void RunBlas(const BlasLibrary& library) {
    const int m = static_cast<int>(shape.m), n = static_cast<int>(shape.n), k = static_cast<int>(shape.k);
    const int ta = shape.ta ? kBlasTransposed : kBlasPlain, tb = shape.tb ? kBlasTransposed : kBlasPlain;
    const int lda = shape.ta ? m : k, ldb = shape.tb ? k : n;
    const auto run = [&](BlasGemm<T> gemm) { gemm(kBlasRowMajor, ta, tb, m, n, k, 1, a.data(), lda, b.data(), ldb, 0, c.data(), n); };
    if constexpr (sizeof(T) == 4) run(library.sgemm);
    else run(library.dgemm);
  }

  void RunDnnl(void* function) {
    if constexpr (sizeof(T) == 4) {
      reinterpret_cast<Dnnl>(function)(shape.ta ? 'T' : 'N', shape.tb ? 'T' : 'N', shape.m, shape.n, shape.k, 1, a.data(),
                                       shape.ta ? shape.m : shape.k, b.data(), shape.tb ? shape.k : shape.n, 0, c.data(), shape.n);
    }
  }
};

void* Symbol(const std::string& library, const char* name) {
  if (library.empty()) return nullptr;
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = handle ? dlsym(handle, name) : nullptr;
  if (!symbol) {
    fprintf(stderr, "gemm_bench: cannot use %s: %s\n", library.c_str(), dlerror());
    exit(1);
  }
  return symbol;
}

template <typename T>
void Measure(const Options& options, const std::vector<KernelTable>& tables, const BlasLibrary* blas, void* dnnl, Crew& crew) {
  printf("%-8s %-16s", sizeof(T) == 4 ? "f32" : "f64", "MxKxN");
  for (const KernelTable& table : tables) printf(" %7s   med", table.isa);
  if (blas) printf("    blas   med");
  if (dnnl) printf("    dnnl   med");
  for (const KernelTable& table : tables) {
    if (blas) printf(" %7s/blas", table.isa);
    if (dnnl) printf(" %7s/dnnl", table.isa);
  }
  printf("\n");
  for (const Shape& shape : kShapes) {
    char label[100];
    snprintf(label, sizeof(label), "%s %lldx%lldx%lld", shape.name, static_cast<long long>(shape.m), static_cast<long long>(shape.k),
             static_cast<long long>(shape.n));
    if (!strstr(label, options.only.c_str())) continue;
    Bench<T> bench(options, shape);
    const size_t ours = tables.size(), count = ours + (blas ? 1 : 0) + (dnnl ? 1 : 0);
    const auto run = [&](size_t candidate) {
      if (candidate < ours) {
        for (int32_t i = 0; i < tables[candidate].count; i++) {
          if (strcmp(tables[candidate].kernels[i].name, "matmul") == 0) return bench.RunOurs(tables[candidate].kernels[i], crew);
        }
      }
      if (candidate == ours && blas) return bench.RunBlas(*blas);
      bench.RunDnnl(dnnl);
    };
    const double work = 2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.k) * static_cast<double>(shape.n) * 1e-9;
    int repeats = 1;
    for (size_t i = 0; i < count; i++) run(i);
    {
      const double begin = Now();
      run(0);
      const double once = Now() - begin;
      repeats = once > 0.0005 ? 1 : static_cast<int>(0.0005 / once) + 1;
    }
    std::vector<std::vector<double>> speed(count);
    const double stop = Now() + options.seconds * static_cast<double>(count);
    for (size_t round = 0; Now() < stop || round < 5; round++) {
      for (size_t i = 0; i < count; i++) {
        const size_t candidate = (i + round) % count;
        run(candidate);  // the others have left other data in the caches
        const double begin = Now();
        for (int r = 0; r < repeats; r++) run(candidate);
        speed[candidate].push_back(work * repeats / (Now() - begin));
      }
    }
    KeepQuietest(speed);
    printf("%-25s", label);
    for (size_t i = 0; i < count; i++) printf(" %7.1f %5.1f", *std::max_element(speed[i].begin(), speed[i].end()), Median(speed[i]));
    for (size_t i = 0; i < ours; i++) {
      for (size_t other = ours; other < count; other++) {
        std::vector<double> ratios;
        for (size_t r = 0; r < speed[i].size(); r++) ratios.push_back(speed[i][r] / speed[other][r]);
        printf(" %12.3f", Median(ratios));
      }
    }
    printf("\n");
    fflush(stdout);
  }
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; i++) {
    const std::string name = arguments[i];
    if (name == "--f64" || name == "--pieces") {
      (name == "--f64" ? options.f64 : options.pieces) = true;
      continue;
    }
    if (i + 1 >= count) {
      fprintf(stderr, "gemm_bench: %s needs a value\n", name.c_str());
      return 1;
    }
    const std::string value = arguments[++i];
    if (name == "--isa") {
      for (size_t begin = 0; begin <= value.size();) {
        const size_t comma = std::min(value.find(',', begin), value.size());
        options.isas.push_back(value.substr(begin, comma - begin));
        begin = comma + 1;
      }
    } else if (name == "--threads") options.threads = atoi(value.c_str());
    else if (name == "--blas") options.blas = value;
    else if (name == "--dnnl") options.dnnl = value;
    else if (name == "--only") options.only = value;
    else if (name == "--seconds") options.seconds = atof(value.c_str());
    else {
      fprintf(stderr, "gemm_bench: unknown option %s\n", name.c_str());
      return 1;
    }
  }
  const KernelTable* usable[kMaxTables];
  const int32_t usable_count = UsableTables(usable);
  std::vector<KernelTable> tables;
  for (int32_t i = 0; i < usable_count; i++) {
    const bool named = std::find(options.isas.begin(), options.isas.end(), usable[i]->isa) != options.isas.end();
    if (options.isas.empty() ? i == usable_count - 1 : named) tables.push_back(*usable[i]);
  }
  Crew crew(options.threads);
  if (!crew.ok() || (tables.empty() && options.isas != std::vector<std::string>{"none"})) {
    fprintf(stderr, "gemm_bench: no memory or no such instruction set\n");
    return 1;
  }
  std::string error;
  const BlasLibrary* blas = options.blas.empty() ? nullptr : LoadBlas(options.blas.c_str(), &error);
  if (!error.empty()) {
    fprintf(stderr, "gemm_bench: --blas %s\n", error.c_str());
    return 1;
  }
  if (blas && options.pieces) {
    KernelTable pieces = BlasTable(*usable[usable_count - 1], *blas);
    pieces.isa = "pieces";
    tables.push_back(pieces);
  } else if (blas) {
    blas->UseThreads(options.threads);
  }
  void* dnnl = options.f64 ? nullptr : Symbol(options.dnnl, "dnnl_sgemm");
  if (options.f64) Measure<double>(options, tables, blas, dnnl, crew);
  else Measure<float>(options, tables, blas, dnnl, crew);
  return 0;
}
