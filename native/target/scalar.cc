// The kernels for any machine, without instructions beyond the compiler's default.
#if defined(__GNUC__) && !defined(__clang__)
// Half the time of compiling; these kernels need to be right, not fast.
#pragma GCC optimize("O1")
#endif
#define MB_ISA scalar
#include "../kernel.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace minibatch {
namespace MB_ISA {
#include "../simd/vec_scalar.h"
#include "../kernels/all-inl.h"
#include "../kernels/table-inl.h"
}  // namespace MB_ISA
}  // namespace minibatch
