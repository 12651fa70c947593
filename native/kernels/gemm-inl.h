// The kernels `matmul` and `linear`: checks, the choice of a path, the cut into pieces. Included inside an instruction set's
// namespace and target region. Knows nothing of registers; results do not depend on the cut, nor on the instruction set
// where it has fused multiply-adds.
//
// How an element is summed depends on the shape alone: narrow products (see IsNarrow) by lanes along k (gemm-dot-inl.h), all
// others by chains along k (gemm-block-inl.h). Without a transposed B it depends on n and k only, so that a row of the
// result has the same bits in a batch of any size.
namespace gemm {

#include "../simd/register-inl.h"
#include "gemm-product-inl.h"
#include "gemm-tile-inl.h"
#include "gemm-pack-inl.h"
#include "gemm-dot-inl.h"
#include "gemm-block-inl.h"

// What a product takes on one thread, in nanoseconds: 100 (f64: 50) operations each, or 100 bytes of operands where there are
// few rows. Only to choose the pieces: the same on every machine.
constexpr double kOperationsPerNanosecond = 100;
constexpr double kBytesPerNanosecond = 100;
// Below this a call is one piece: ten times a fork and join.
constexpr double kOnePieceTime = 5000;
// The time of a piece, if there are enough rows and columns.
constexpr double kPieceTime = 20000;
// Enough to keep 16 threads busy to 98 %.
constexpr int64_t kMaxPieces = 64;
// Fewer rows do not pay for packing a part of B once more.
constexpr int64_t kPieceRows = 64;
constexpr int64_t kDotPieceRows = 16;
constexpr int64_t kWholePackPieceRows = 256;
// Where B is packed row by row, pieces read at least this much of a row in sequence.
constexpr int64_t kWholePackPieceBytes = 1024;
// For so few rows packing a transposed B costs more than the transposed store of swapped roles (vectors along m, B read in place
// as broadcasts); a transposed A with few columns of C swaps too, as its vectors along n would be half empty.
constexpr int64_t kSwapRows = 32;

enum class Path { kNothing, kFill, kDots, kTiles };

// One call, resolved: `one` is the product of the first matrices of the batch, already turned if roles are swapped.
template <typename T>
struct MatmulPlan {
  Path path;
  bool swapped;  // one is C^T = B^T A^T
  Product<T> one;
  int64_t batch, a_size, b_size, c_size;  // elements of one matrix
  int64_t row_parts, column_parts;        // of one matrix
  int64_t group;                          // matrices of one piece; > 1 only if a matrix has one part
};

// Dot products along k pay where C has few columns and both operands are contiguous along k (or B is small enough to
// turn), and k is long enough for the sums over lanes.
static bool IsNarrow(int64_t columns, int64_t k) { return columns <= kDotMaxColumns && k >= kDotMinDepth; }

template <typename T>
static void ChoosePath(MatmulPlan<T>& plan, bool transpose_a, bool transpose_b) {
  const Product<T>& x = plan.one;
  plan.swapped = false;
  if (plan.batch == 0 || x.m == 0 || x.n == 0) {
    plan.path = Path::kNothing;
  } else if (x.k == 0) {
    plan.path = Path::kFill;
  } else if (!transpose_a && IsNarrow(x.n, x.k)) {
    plan.path = Path::kDots;
  } else if (!transpose_a && transpose_b && IsNarrow(x.m, x.k)) {
    plan.path = Path::kDots;
    plan.swapped = true;
  } else {
    plan.path = Path::kTiles;
    const bool few_rows = !transpose_a && transpose_b && x.m <= kSwapRows && x.m < x.n;
    const bool few_columns = transpose_a && x.n <= kDotMaxColumns && x.n < x.m;
    plan.swapped = few_rows || few_columns;
  }
  if (plan.swapped) plan.one = Transposed(x);
}

template <typename T>
static double EstimateTime(const Product<T>& x) {
  const double m = static_cast<double>(x.m), n = static_cast<double>(x.n), k = static_cast<double>(x.k);
  const double computing = 2 * m * n * k * (sizeof(T) / 4.0) / kOperationsPerNanosecond;
  const double reading = (m * k + k * n + m * n) * sizeof(T) / kBytesPerNanosecond;
  return computing > reading ? computing : reading;
}

template <typename T>
static void CutIntoParts(MatmulPlan<T>& plan) {
  const Product<T>& x = plan.one;
  plan.row_parts = plan.column_parts = plan.group = 1;
  if (plan.path == Path::kNothing || plan.path == Path::kFill) return;
  const double time = EstimateTime(x);
  if (time < kOnePieceTime) {
    // A thousand nanoseconds for the call and the loops around the tiles.
    plan.group = 1 + static_cast<int64_t>(kPieceTime / (time + 1000));
    return;
  }
  const double limit = time / kPieceTime;
  const int64_t wanted = limit < 2 ? 2 : limit > static_cast<double>(kMaxPieces) ? kMaxPieces : static_cast<int64_t>(limit);
  constexpr int64_t kLanes = 64 / static_cast<int64_t>(sizeof(T));
  const bool whole_pack = x.b_column == 1 && RowsAreFar(x);
  if (plan.path == Path::kTiles) {
    const int64_t registers = (x.n + kLanes - 1) / kLanes;
    int64_t most = (registers + kTileWidth - 1) / kTileWidth;
    if (whole_pack) most = x.n * static_cast<int64_t>(sizeof(T)) / kWholePackPieceBytes;
    if (most > 1 && most % 2 == 1 && most < registers) most++;
    plan.column_parts = wanted < most ? wanted / 2 * 2 : most < 1 ? 1 : most;
  }
  const int64_t most_rows = x.m / (whole_pack ? kWholePackPieceRows : plan.path == Path::kDots ? kDotPieceRows : kPieceRows);
  int64_t row_parts = wanted / plan.column_parts;
  if (row_parts > most_rows) row_parts = most_rows;
  if (plan.column_parts == 1 && row_parts > 1) row_parts = row_parts / 2 * 2;
  plan.row_parts = row_parts < 1 ? 1 : row_parts;
}

template <typename T>
static MatmulPlan<T> PlanMatmul(const Call& call) {
  const Slice &a = call.in[0], &b = call.in[1], &c = call.out[0];
  const bool transpose_a = call.attributes[0] != 0, transpose_b = call.attributes[1] != 0;
  MatmulPlan<T> plan;
  Product<T>& x = plan.one;
  x.m = c.shape[c.rank - 2];
  x.n = c.shape[c.rank - 1];
  x.k = a.shape[a.rank - (transpose_a ? 2 : 1)];
  x.a = static_cast<const T*>(a.data);
  x.a_row = transpose_a ? 1 : x.k;
  x.a_column = transpose_a ? x.m : 1;
  x.b = static_cast<const T*>(b.data);
  x.b_row = transpose_b ? 1 : x.n;
  x.b_column = transpose_b ? x.k : 1;
  x.c = static_cast<T*>(c.data);
  x.c_row = x.n;
  x.c_column = 1;
  x.bias = nullptr;
  x.relu = false;
  plan.batch = 1;
  for (int i = 0; i < c.rank - 2; i++) plan.batch *= c.shape[i];
  ChoosePath(plan, transpose_a, transpose_b);
  // With no matrices in the batch these products might overflow.
  const bool some = plan.path != Path::kNothing;
  plan.a_size = some ? a.size / plan.batch : 0;
  plan.b_size = some ? b.size / plan.batch : 0;
  plan.c_size = some ? c.size / plan.batch : 0;
  CutIntoParts(plan);
  return plan;
}

template <typename T>
static MatmulPlan<T> PlanLinear(const Call& call) {
  const Slice &input = call.in[0], &weights = call.in[1], &c = call.out[0];
  MatmulPlan<T> plan;
  plan.one = {c.shape[0], c.shape[1], input.shape[1],
              static_cast<const T*>(input.data), input.shape[1], 1,
              static_cast<const T*>(weights.data), c.shape[1], 1,
              static_cast<T*>(c.data), c.shape[1], 1,
              call.inputs == 3 ? static_cast<const T*>(call.in[2].data) : nullptr, call.attributes[0] == 1};
  plan.batch = 1;
  plan.a_size = plan.b_size = plan.c_size = 0;
  ChoosePath(plan, false, false);
  CutIntoParts(plan);
  return plan;
}

template <typename T>
static void RunRectangle(const MatmulPlan<T>& plan, const Product<T>& x, int64_t top, int64_t bottom, int64_t left, int64_t right,
                         char* scratch) {
  // Rows are cut at multiples of a tile's 8, columns at multiples of 64 bytes.
  constexpr int64_t kLanes = 64 / static_cast<int64_t>(sizeof(T));
  const int64_t row_units = (x.m + 7) / 8, column_units = (x.n + kLanes - 1) / kLanes;
  const auto row = [&](int64_t part) {
    const int64_t at = EvenPart(row_units, plan.row_parts, part) * 8;
    return at < x.m ? at : x.m;
  };
  const auto column = [&](int64_t part) {
    const int64_t at = EvenPart(column_units, plan.column_parts, part) * kLanes;
    return at < x.n ? at : x.n;
  };
  const Product<T> part = Part(x, row(top), row(bottom), column(left), column(right));
  if (part.m == 0 || part.n == 0) return;
  if (plan.path == Path::kDots) MultiplyByDots(part, scratch);
  else MultiplyByTiles(part, scratch);
}

// Parts [begin, end) of one matrix, column by column of parts, neighbours merged.
template <typename T>
static void RunParts(const MatmulPlan<T>& plan, const Product<T>& x, int64_t begin, int64_t end, char* scratch) {
  const int64_t height = plan.row_parts;
  while (begin < end) {
    const int64_t column = begin / height, row = begin % height;
    if (row == 0 && end - begin >= height) {
      const int64_t columns = (end - begin) / height;
      RunRectangle(plan, x, 0, height, column, column + columns, scratch);
      begin += columns * height;
    } else {
      const int64_t rows = end - begin < height - row ? end - begin : height - row;
      RunRectangle(plan, x, row, row + rows, column, column + 1, scratch);
      begin += rows;
    }
  }
}

// A product over no terms: zeros, or the bias.
template <typename T>
static void Fill(const Product<T>& x) {
  for (int64_t i = 0; i < x.m; i++) {
    for (int64_t j = 0; j < x.n; j++) {
      const T value = x.bias ? x.bias[j] : 0;
      x.c[i * x.c_row + j * x.c_column] = x.relu && value < 0 ? 0 : value;
    }
  }
}

template <typename T>
static void RunPlan(const MatmulPlan<T>& plan, int64_t begin, int64_t end, char* scratch) {
  if (plan.path == Path::kNothing) return;
  const int64_t parts = plan.row_parts * plan.column_parts;
  const int64_t groups_end = (plan.batch + plan.group - 1) / plan.group * parts;
  if (end > groups_end) end = groups_end;
  while (begin < end) {
    const int64_t group = begin / parts, part = begin % parts;
    const int64_t count = end - begin < parts - part ? end - begin : parts - part;
    const int64_t first = group * plan.group, next = first + plan.group;
    for (int64_t i = first; i < next && i < plan.batch; i++) {
      Product<T> x = plan.one;
      x.a += i * (plan.swapped ? plan.b_size : plan.a_size);
      x.b += i * (plan.swapped ? plan.a_size : plan.b_size);
      x.c += i * plan.c_size;
      if (plan.path == Path::kFill) Fill(x);
      else RunParts(plan, x, part, part + count, scratch);
    }
    begin += count;
  }
}

template <typename T>
static int64_t CountPieces(const MatmulPlan<T>& plan) {
  if (plan.path == Path::kNothing) return 1;
  return (plan.batch + plan.group - 1) / plan.group * plan.row_parts * plan.column_parts;
}

// Shapes are trusted by `run`: sizes are the products of dimensions, no dimension is negative.
static bool IsConsistent(const Slice& slice) {
  if (slice.rank < 0 || slice.rank > kMaxRank) return false;
  int64_t size = 1;
  for (int i = 0; i < slice.rank; i++) {
    if (slice.shape[i] < 0 || __builtin_mul_overflow(size, slice.shape[i], &size)) return false;
  }
  return size == slice.size;
}

// The rules both ops share: float operands of one type.
static const char* CheckOperands(const Call& call) {
  const DType dtype = call.out[0].dtype;
  for (int i = 0; i < call.inputs; i++) {
    if (!IsConsistent(call.in[i])) return "sizes must be the products of the dimensions";
    if (call.in[i].dtype != dtype) return "operands must have one dtype";
  }
  if (!IsConsistent(call.out[0])) return "sizes must be the products of the dimensions";
  return dtype == DType::kF32 || dtype == DType::kF64 ? nullptr : kUnsupported;
}

static bool IsFlag(double value) { return value == 0 || value == 1; }

static const char* CheckMatmul(const Call& call) {
  if (call.inputs != 2 || call.outputs != 1) return "matmul takes two tensors and gives one";
  if (call.attribute_count != 2 || !IsFlag(call.attributes[0]) || !IsFlag(call.attributes[1])) {
    return "transposeA and transposeB must be 0 or 1";
  }
  if (const char* wrong = CheckOperands(call)) return wrong;
  const Slice &a = call.in[0], &b = call.in[1], &c = call.out[0];
  if (c.rank < 2 || a.rank != c.rank || b.rank != c.rank) return "tensors must have one rank of at least 2";
  for (int i = 0; i < c.rank - 2; i++) {
    if (a.shape[i] != c.shape[i] || b.shape[i] != c.shape[i]) return "leading sizes must be equal";
  }
  const int ta = call.attributes[0] != 0, tb = call.attributes[1] != 0;
  const int64_t* as = a.shape + a.rank - 2;
  const int64_t* bs = b.shape + b.rank - 2;
  const int64_t* cs = c.shape + c.rank - 2;
  if (as[1 - ta] != bs[tb]) return "inner sizes must match";
  if (as[ta] != cs[0] || bs[1 - tb] != cs[1]) return "the result must have the outer sizes";
  return nullptr;
}
static const char* CheckLinear(const Call& call) {
  if (call.inputs < 2 || call.inputs > 3 || call.outputs != 1) return "linear takes two or three tensors and gives one";
  if (call.attribute_count != 1 || !IsFlag(call.attributes[0])) return "activation must be 0 or 1";
  if (const char* wrong = CheckOperands(call)) return wrong;
  const Slice &x = call.in[0], &w = call.in[1], &y = call.out[0];
  if (x.rank != 2 || w.rank != 2 || y.rank != 2) return "x, w and y must have rank 2";
  if (x.shape[1] != w.shape[0]) return "inner sizes must match";
  if (y.shape[0] != x.shape[0] || y.shape[1] != w.shape[1]) return "y must have the rows of x and the columns of w";
  if (call.inputs == 3 && (call.in[2].rank != 1 || call.in[2].shape[0] != w.shape[1])) {
    return "the bias must have one value per column of w";
  }
  return nullptr;
}

static bool IsFloat(const Call& call) { return call.out[0].dtype == DType::kF32; }

static int64_t MatmulPieces(const Call& call, int32_t) {
  return IsFloat(call) ? CountPieces(PlanMatmul<float>(call)) : CountPieces(PlanMatmul<double>(call));
}
static void RunMatmul(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
  if (IsFloat(call)) RunPlan(PlanMatmul<float>(call), begin, end, worker.scratch);
  else RunPlan(PlanMatmul<double>(call), begin, end, worker.scratch);
}
static int64_t LinearPieces(const Call& call, int32_t) {
  return IsFloat(call) ? CountPieces(PlanLinear<float>(call)) : CountPieces(PlanLinear<double>(call));
}
static void RunLinear(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
  if (IsFloat(call)) RunPlan(PlanLinear<float>(call), begin, end, worker.scratch);
  else RunPlan(PlanLinear<double>(call), begin, end, worker.scratch);
}

}  // namespace gemm

static const Kernel kGemmKernels[] = {
    {"matmul", gemm::CheckMatmul, nullptr, nullptr, gemm::MatmulPieces, gemm::RunMatmul},
    {"linear", gemm::CheckLinear, nullptr, nullptr, gemm::LinearPieces, gemm::RunLinear},
};
