// The kernels for x86-64 with AVX2 and FMA. Empty on other machines.
#if defined(__x86_64__)
#define MB_ISA avx2
#include "../kernel.h"

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
namespace minibatch {
namespace MB_ISA {
#include "../simd/vec_avx2.h"
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
