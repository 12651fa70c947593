// Libraries for blas_test, one of each kind: MB_FAKE says which. Like a library over OpenMP they keep a number of threads
// for each thread that calls them, and give NaN when it is not one.
#include <stdint.h>

#define MB_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

thread_local int threads = 4;

// C = A B in rows, with integers of type I.
template <typename T, typename I>
void Gemm(int layout, int ta, int tb, I m, I n, I k, T alpha, const T* a, I lda, const T* b, I ldb, T beta, T* c, I ldc) {
  if (layout != 101 || m < 0 || n < 0 || k < 0 || lda < (ta == 112 ? m : k) || ldb < (tb == 112 ? k : n) || ldc < n) return;
  if (lda < 1 || ldb < 1 || ldc < 1) return;
  for (I i = 0; i < m; i++) {
    for (I j = 0; j < n; j++) {
      T sum = threads == 1 ? T{0} : static_cast<T>(__builtin_nan(""));
      for (I p = 0; p < k; p++) sum += (ta == 112 ? a[p * lda + i] : a[i * lda + p]) * (tb == 112 ? b[j * ldb + p] : b[p * ldb + j]);
      c[i * ldc + j] = alpha * sum + (beta == 0 ? T{0} : beta * c[i * ldc + j]);
    }
  }
}

}  // namespace

#define MB_GEMM(name, T, I)                                                                                                        \
  MB_EXPORT void name(int layout, int ta, int tb, I m, I n, I k, T alpha, const T* a, I lda, const T* b, I ldb, T beta, T* c, I ldc) { \
    Gemm<T, I>(layout, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                                                      \
  }

#if MB_FAKE == 1  // plain
MB_GEMM(cblas_sgemm, float, int)
MB_GEMM(cblas_dgemm, double, int)
#elif MB_FAKE == 2  // without cblas_dgemm
MB_GEMM(cblas_sgemm, float, int)
#elif MB_FAKE == 3  // 64-bit integers, which its names say
MB_GEMM(cblas_sgemm_64, float, int64_t)
MB_GEMM(cblas_dgemm_64, double, int64_t)
#else  // 64-bit integers, which its names do not say
MB_GEMM(cblas_sgemm, float, int64_t)
MB_GEMM(cblas_dgemm, double, int64_t)
#endif
MB_EXPORT void openblas_set_num_threads(int n) { threads = n; }
MB_EXPORT const char* openblas_get_config() { return "OpenBLAS for a test"; }
