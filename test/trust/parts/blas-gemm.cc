// Our matrix product under the names of BLAS: sgemm_, dgemm_, cblas_sgemm and cblas_dgemm, for netlib's testers to call. What BLAS has
// and the kernel has not is done here and plainly: leading dimensions and alpha and beta by copies, the checks of arguments by their
// numbers. Linked with the addon's own objects; at the end it says how many products each type made, and by which instruction set.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "../../../native/dispatch.h"

// Of the tester: they compare the number that they are told with the one that they expect.
extern "C" void xerbla_(const char* routine, const int32_t* info, size_t length);
extern "C" __attribute__((weak)) void cblas_xerbla(int info, const char* routine, const char* form, ...);
// The reference CBLAS has this global, and the tester of CBLAS looks at it: whether the call under way was one by rows.
extern "C" {
int RowMajorStrg = 0;
}

namespace {

using minibatch::Call;
using minibatch::DType;
using minibatch::Kernel;
using minibatch::KernelTable;
using minibatch::Slice;
using minibatch::Worker;

struct Product {
  const KernelTable* table;
  const Kernel* matmul = nullptr;
  char* scratch;
  long made[2] = {0, 0};  // f32, f64

  Product() {
    char error[200] = "";
    table = &minibatch::BestTable(getenv("MINIBATCH_ISA"), error, sizeof(error));
    if (error[0] != 0) {
      fprintf(stderr, "%s\n", error);
      exit(3);
    }
    for (int32_t i = 0; i < table->count; i++) {
      if (strcmp(table->kernels[i].name, "matmul") == 0) matmul = &table->kernels[i];
    }
    scratch = static_cast<char*>(aligned_alloc(64, static_cast<size_t>(minibatch::kWorkerScratch)));
    if (matmul == nullptr || scratch == nullptr) exit(3);
  }
  ~Product() { fprintf(stderr, "products: %s f32 %ld f64 %ld\n", table->isa, made[0], made[1]); }
};

// Made at the first call: the tables of kernels are ready then.
Product& TheProduct() {
  static Product product;
  return product;
}

template <typename T>
Slice MatrixOf(std::vector<T>& numbers, int64_t rows, int64_t columns) {
  Slice slice{};
  slice.data = numbers.data();
  slice.dtype = sizeof(T) == 4 ? DType::kF32 : DType::kF64;
  slice.rank = 2;
  slice.shape[0] = rows;
  slice.shape[1] = columns;
  slice.size = rows * columns;
  return slice;
}

// Columns of `rows` numbers that begin `stride` apart, one after the other: as rows of a matrix in our order.
template <typename T>
std::vector<T> Dense(const T* from, int64_t rows, int64_t columns, int64_t stride) {
  std::vector<T> dense(static_cast<size_t>(rows * columns));
  for (int64_t j = 0; j < columns; j++) {
    for (int64_t i = 0; i < rows; i++) dense[static_cast<size_t>(j * rows + i)] = from[j * stride + i];
  }
  return dense;
}

// C = alpha op(A) op(B) + beta C by columns, which is C^T = op(B)^T op(A)^T by rows: what is stored by columns is, by rows, transposed.
template <typename T>
void Multiply(bool ta, bool tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b, int64_t ldb, T beta, T* c,
              int64_t ldc) {
  Product& product = TheProduct();
  std::vector<T> sums;
  if (alpha != 0 && k > 0) {
    std::vector<T> left = tb ? Dense(b, n, k, ldb) : Dense(b, k, n, ldb);
    std::vector<T> right = ta ? Dense(a, k, m, lda) : Dense(a, m, k, lda);
    sums.resize(static_cast<size_t>(m * n));
    const Slice in[2] = {tb ? MatrixOf(left, k, n) : MatrixOf(left, n, k), ta ? MatrixOf(right, m, k) : MatrixOf(right, k, m)};
    const Slice out = MatrixOf(sums, n, m);
    const double attributes[2] = {static_cast<double>(tb), static_cast<double>(ta)};
    const Call call{in, 2, &out, 1, attributes, 2, nullptr};
    const char* wrong = product.matmul->check(call);
    if (wrong != nullptr) {
      fprintf(stderr, "the kernel refuses the product: %s\n", wrong);
      exit(3);
    }
    Worker worker{product.scratch, -1, -1};
    const int32_t phases = product.matmul->phases != nullptr ? product.matmul->phases(call) : 1;
    for (int32_t phase = 0; phase < phases; phase++) {
      const int64_t pieces = product.matmul->pieces != nullptr ? product.matmul->pieces(call, phase) : 1;
      product.matmul->run(call, phase, 0, pieces, worker);
    }
    product.made[sizeof(T) == 4 ? 0 : 1]++;
  }
  for (int64_t j = 0; j < n; j++) {
    for (int64_t i = 0; i < m; i++) {
      // With beta 0 what C holds is not read: it may be no number.
      T& at = c[j * ldc + i];
      const T before = beta == 0 ? T(0) : beta * at;
      at = sums.empty() ? before : alpha * sums[static_cast<size_t>(j * m + i)] + before;
    }
  }
}

int32_t Letter(char c) {
  if (c == 'N' || c == 'n') return 0;
  if (c == 'T' || c == 't' || c == 'C' || c == 'c') return 1;
  return -1;
}

// The numbers of arguments are those of the Fortran routine: TRANSA 1, TRANSB 2, M 3, N 4, K 5, LDA 8, LDB 10, LDC 13.
template <typename T>
void Gemm(const char* name, char transa, char transb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc) {
  const int32_t ta = Letter(transa), tb = Letter(transb);
  const auto least = [](int64_t rows) { return rows > 1 ? rows : 1; };
  int32_t info = 0;
  if (ta < 0) info = 1;
  else if (tb < 0) info = 2;
  else if (m < 0) info = 3;
  else if (n < 0) info = 4;
  else if (k < 0) info = 5;
  else if (lda < least(ta ? k : m)) info = 8;
  else if (ldb < least(tb ? n : k)) info = 10;
  else if (ldc < least(m)) info = 13;
  if (info != 0) {
    xerbla_(name, &info, 6);
    return;
  }
  if (m == 0 || n == 0 || ((alpha == 0 || k == 0) && beta == 1)) return;
  Multiply<T>(ta == 1, tb == 1, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

// CblasRowMajor 101, CblasColMajor 102; CblasNoTrans 111, CblasTrans 112, CblasConjTrans 113.
template <typename T>
void CblasGemm(const char* name, const char* fortran, int order, int transa, int transb, int m, int n, int k, T alpha, const T* a, int lda,
               const T* b, int ldb, T beta, T* c, int ldc) {
  const auto letter = [](int trans) { return trans == 111 ? 'N' : trans == 112 ? 'T' : trans == 113 ? 'C' : '?'; };
  const bool rows = order == 101;
  int info = 0;
  if (!rows && order != 102) info = 1;
  else if (letter(transa) == '?') info = 2;
  else if (letter(transb) == '?') info = 3;
  if (info != 0) {
    RowMajorStrg = 0;
    cblas_xerbla(info, name, "");
    return;
  }
  RowMajorStrg = rows;
  // By rows everything is transposed: B^T A^T.
  if (rows) Gemm<T>(fortran, letter(transb), letter(transa), n, m, k, alpha, b, ldb, a, lda, beta, c, ldc);
  else Gemm<T>(fortran, letter(transa), letter(transb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

}  // namespace

extern "C" {

void sgemm_(const char* transa, const char* transb, const int32_t* m, const int32_t* n, const int32_t* k, const float* alpha, const float* a,
            const int32_t* lda, const float* b, const int32_t* ldb, const float* beta, float* c, const int32_t* ldc) {
  Gemm<float>("SGEMM ", *transa, *transb, *m, *n, *k, *alpha, a, *lda, b, *ldb, *beta, c, *ldc);
}

void dgemm_(const char* transa, const char* transb, const int32_t* m, const int32_t* n, const int32_t* k, const double* alpha, const double* a,
            const int32_t* lda, const double* b, const int32_t* ldb, const double* beta, double* c, const int32_t* ldc) {
  Gemm<double>("DGEMM ", *transa, *transb, *m, *n, *k, *alpha, a, *lda, b, *ldb, *beta, c, *ldc);
}

void cblas_sgemm(int order, int transa, int transb, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
                 float beta, float* c, int ldc) {
  CblasGemm<float>("cblas_sgemm", "SGEMM ", order, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void cblas_dgemm(int order, int transa, int transb, int m, int n, int k, double alpha, const double* a, int lda, const double* b, int ldb,
                 double beta, double* c, int ldc) {
  CblasGemm<double>("cblas_dgemm", "DGEMM ", order, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

}  // extern "C"
