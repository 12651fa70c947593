// Each piece is one call of the library (for small matrices of a batch: one per matrix), cut by size and never merged with
// its neighbour, since a library may sum another shape in another order: so results have the same bits for any number
// of threads, as long as the library gives equal results for equal calls. Bias and activation follow in the piece's own
// part of C, while that is in the cache.
#include "kernels.h"

#include <limits.h>
#include <string.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace minibatch {
namespace {

const BlasLibrary* the_library;
const Kernel* own_matmul;  // for their checks
const Kernel* own_linear;

// Operations of a piece: 80 to 160 microseconds at 100 GFLOP/s, so that packing the operands, which a library does anew in
// every call, stays small beside the product.
constexpr double kPieceWork = 16e6;
// As many threads as still have work; each part more packs its operands anew (1024x1024x1024 in 16 parts: 10 % slower).
constexpr int64_t kMaxParts = 16;
// Operands in fewer rows or columns are mostly packing. A multiple of the tiles of 4 to 24 rows that libraries use.
constexpr int64_t kLeastPart = 96;
// What a call costs beside its product, in operations.
constexpr double kCallWork = 1e5;

template <typename T>
struct Product {
  int64_t batch, m, n, k;
  bool transpose_a, transpose_b;
  const T* a;
  const T* b;
  T* c;
  const T* bias;  // one per column of C, or nullptr
  bool relu;
};

template <typename T>
Product<T> MatmulProduct(const Call& call) {
  const Slice &a = call.in[0], &b = call.in[1], &c = call.out[0];
  const bool ta = call.attributes[0] != 0;
  Product<T> x{1, c.shape[c.rank - 2], c.shape[c.rank - 1], a.shape[a.rank - (ta ? 2 : 1)], ta, call.attributes[1] != 0,
               static_cast<const T*>(a.data), static_cast<const T*>(b.data), static_cast<T*>(c.data), nullptr, false};
  for (int i = 0; i < c.rank - 2; i++) x.batch *= c.shape[i];
  return x;
}

template <typename T>
Product<T> LinearProduct(const Call& call) {
  const Slice &x = call.in[0], &w = call.in[1], &y = call.out[0];
  return {1, y.shape[0], y.shape[1], x.shape[1], false, false, static_cast<const T*>(x.data), static_cast<const T*>(w.data),
          static_cast<T*>(y.data), call.inputs == 3 ? static_cast<const T*>(call.in[2].data) : nullptr, call.attributes[0] != 0};
}

// Parts of one matrix, or several matrices in one piece.
struct Cut {
  int64_t row_parts, column_parts, group, pieces;
};

template <typename T>
Cut CutBySize(const Product<T>& x) {
  if (x.batch == 0 || x.m == 0 || x.n == 0) return {1, 1, 1, 0};
  double work = 2.0 * static_cast<double>(x.m) * static_cast<double>(x.n) * static_cast<double>(x.k) * (sizeof(T) / 4.0);
  Cut cut{1, 1, 1, 0};
  const double all = work;
  // The longer side is halved: parts near squares read least for their work.
  while (work > kPieceWork && cut.row_parts * cut.column_parts < kMaxParts) {
    const int64_t rows = x.m / cut.row_parts, columns = x.n / cut.column_parts;
    if (std::max(rows, columns) < 2 * kLeastPart) break;
    (rows >= columns ? cut.row_parts : cut.column_parts) *= 2;
    work /= 2;
  }
  if (all < kPieceWork) cut.group = 1 + static_cast<int64_t>(kPieceWork / (all + kCallWork));
  cut.pieces = (x.batch + cut.group - 1) / cut.group * cut.row_parts * cut.column_parts;
  return cut;
}

// Where part i begins: at a multiple of 16, a cache line of floats.
int64_t Begin(int64_t size, int64_t parts, int64_t i) {
  constexpr int64_t kUnit = 16;
  return std::min(size, (size + kUnit - 1) / kUnit * i / parts * kUnit);
}

void Gemm(const Product<float>& x, int m, int n, const float* a, const float* b, float* c) {
  the_library->sgemm(kBlasRowMajor, x.transpose_a ? kBlasTransposed : kBlasPlain, x.transpose_b ? kBlasTransposed : kBlasPlain, m, n,
                     static_cast<int>(x.k), 1, a, static_cast<int>(x.transpose_a ? x.m : x.k), b,
                     static_cast<int>(x.transpose_b ? x.k : x.n), 0, c, static_cast<int>(x.n));
}
void Gemm(const Product<double>& x, int m, int n, const double* a, const double* b, double* c) {
  the_library->dgemm(kBlasRowMajor, x.transpose_a ? kBlasTransposed : kBlasPlain, x.transpose_b ? kBlasTransposed : kBlasPlain, m, n,
                     static_cast<int>(x.k), 1, a, static_cast<int>(x.transpose_a ? x.m : x.k), b,
                     static_cast<int>(x.transpose_b ? x.k : x.n), 0, c, static_cast<int>(x.n));
}

// Rows [top, bottom) and columns [left, right) of matrix i.
template <typename T>
void Multiply(const Product<T>& x, int64_t i, int64_t top, int64_t bottom, int64_t left, int64_t right) {
  if (top == bottom || left == right) return;
  const int64_t rows = bottom - top, columns = right - left;
  const T* a = x.a + i * x.m * x.k + top * (x.transpose_a ? 1 : x.k);
  const T* b = x.b + i * x.k * x.n + left * (x.transpose_b ? x.k : 1);
  T* c = x.c + i * x.m * x.n + top * x.n + left;
  if (x.k > 0) {
    Gemm(x, static_cast<int>(rows), static_cast<int>(columns), a, b, c);
  } else {
    // A product over no terms has no leading dimensions that a library would accept.
    for (int64_t row = 0; row < rows; row++) memset(c + row * x.n, 0, static_cast<size_t>(columns) * sizeof(T));
  }
  if (x.bias == nullptr && !x.relu) return;
  for (int64_t row = 0; row < rows; row++, c += x.n) {
    if (x.bias != nullptr) {
      for (int64_t j = 0; j < columns; j++) c[j] += x.bias[left + j];
    }
    if (x.relu) {
      for (int64_t j = 0; j < columns; j++) c[j] = c[j] < 0 ? 0 : c[j];  // NaN stays
    }
  }
}

template <typename T>
void Run(const Product<T>& x, int64_t begin, int64_t end) {
  thread_local const BlasLibrary* told = nullptr;
  if (told != the_library) {
    told = the_library;
    the_library->UseThreads(1);
  }
  const Cut cut = CutBySize(x);
  const int64_t parts = cut.row_parts * cut.column_parts;
  for (int64_t piece = begin; piece < std::min(end, cut.pieces); piece++) {
    const int64_t first = piece / parts * cut.group, part = piece % parts;
    const int64_t row = part % cut.row_parts, column = part / cut.row_parts;
    for (int64_t i = first; i < std::min(first + cut.group, x.batch); i++) {
      Multiply(x, i, Begin(x.m, cut.row_parts, row), Begin(x.m, cut.row_parts, row + 1), Begin(x.n, cut.column_parts, column),
               Begin(x.n, cut.column_parts, column + 1));
    }
  }
}

// A size beyond the library's integers is left to TypeScript.
const char* CheckSizes(const Call& call) {
  for (int i = 0; i < 2; i++) {
    const Slice& x = call.in[i];
    if (x.shape[x.rank - 1] > INT_MAX || x.shape[x.rank - 2] > INT_MAX) return kUnsupported;
  }
  return nullptr;
}

const char* CheckMatmul(const Call& call) {
  const char* wrong = own_matmul->check(call);
  return wrong ? wrong : CheckSizes(call);
}
const char* CheckLinear(const Call& call) {
  const char* wrong = own_linear->check(call);
  return wrong ? wrong : CheckSizes(call);
}

bool IsFloat(const Call& call) { return call.out[0].dtype == DType::kF32; }

int64_t MatmulPieces(const Call& call, int32_t) {
  return std::max<int64_t>(1, IsFloat(call) ? CutBySize(MatmulProduct<float>(call)).pieces : CutBySize(MatmulProduct<double>(call)).pieces);
}
void RunMatmul(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
  if (IsFloat(call)) Run(MatmulProduct<float>(call), begin, end);
  else Run(MatmulProduct<double>(call), begin, end);
}
int64_t LinearPieces(const Call& call, int32_t) {
  return std::max<int64_t>(1, IsFloat(call) ? CutBySize(LinearProduct<float>(call)).pieces : CutBySize(LinearProduct<double>(call)).pieces);
}
void RunLinear(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
  if (IsFloat(call)) Run(LinearProduct<float>(call), begin, end);
  else Run(LinearProduct<double>(call), begin, end);
}

constexpr Kernel kMatmul = {"matmul", CheckMatmul, nullptr, nullptr, MatmulPieces, RunMatmul};
constexpr Kernel kLinear = {"linear", CheckLinear, nullptr, nullptr, LinearPieces, RunLinear};

struct Made {
  std::vector<Kernel> kernels;
  KernelTable table;
};

}  // namespace

const KernelTable& BlasTable(const KernelTable& base, const BlasLibrary& library) {
  // Never freed, as threads may be at work when the process ends; reachable, so that no checker of memory takes them for lost.
  static std::vector<Made*>& all = *new std::vector<Made*>;
  Made* made = new Made{{base.kernels, base.kernels + base.count}, {}};
  all.push_back(made);
  the_library = &library;
  for (int32_t i = 0; i < base.count; i++) {
    for (const auto& [replacement, own] : {std::pair{&kMatmul, &own_matmul}, std::pair{&kLinear, &own_linear}}) {
      if (strcmp(base.kernels[i].name, replacement->name) != 0) continue;
      *own = &base.kernels[i];
      made->kernels[static_cast<size_t>(i)] = *replacement;
    }
  }
  made->table = {base.isa, made->kernels.data(), base.count};
  return made->table;
}

}  // namespace minibatch
