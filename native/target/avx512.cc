// The kernels for x86-64 with AVX-512 F, BW, DQ and VL. Empty on other machines.
#if defined(__x86_64__)
#define MB_ISA avx512
#include "../kernel.h"

#if !defined(__clang__)
// GCC 12 takes the deliberately undefined operands inside its own AVX-512 intrinsics for mistakes (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#if defined(__clang__)
// Clang knows no prefer-vector-width here and would ignore the whole list; the vector type's own width needs no preference.
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#endif
namespace minibatch {
namespace MB_ISA {
#include "../simd/vec_avx512.h"
#include "../kernels/all-inl.h"
}  // namespace MB_ISA
}  // namespace minibatch
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace minibatch {
namespace MB_ISA {
#include "../kernels/table-inl.h"
}  // namespace MB_ISA
}  // namespace minibatch
#endif
