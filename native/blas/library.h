// A CBLAS of the system, loaded at run time: what MINIBATCH_BLAS names, and what the benchmark compares with.
// Knows no kernel and no environment variable.
#pragma once

#include <stdint.h>

#include <string>

namespace minibatch {

// The C interface of BLAS with 32-bit integers. Layouts and transpositions are its numbers, not ours.
constexpr int kBlasRowMajor = 101;
constexpr int kBlasPlain = 111;
constexpr int kBlasTransposed = 112;
template <typename T>
using BlasGemm = void (*)(int layout, int transpose_a, int transpose_b, int m, int n, int k, T alpha, const T* a, int lda, const T* b,
                          int ldb, T beta, T* c, int ldc);

struct BlasLibrary {
  BlasGemm<float> sgemm;
  BlasGemm<double> dgemm;
  std::string name;  // for people: what it says of itself, and its file
  // Either may be null: a library without threads, or one that only its environment can limit.
  void (*set_threads)(intptr_t threads);  // a register: libraries take an int or a wider number
  void (*set_openmp_threads)(int threads);

  // How many threads of the library's own a product called from this thread uses. To be said on each calling thread: in
  // libraries over OpenMP the number belongs to the thread that says it.
  void UseThreads(int threads) const;
};

// Null, with the reason in `error`, when there is no such library, or none that can be used. Never unloaded: its threads may
// be at work. `path` is a file or, without a slash, a name that the system's loader looks for.
const BlasLibrary* LoadBlas(const char* path, std::string* error);

}  // namespace minibatch
