// The kernels for 64-bit ARM, of which NEON is part. Empty on other machines.
#if defined(__aarch64__)
#define MB_ISA neon
#include "../kernel.h"

#include <arm_neon.h>

namespace minibatch {
namespace MB_ISA {
#include "../simd/vec_neon.h"
#include "../kernels/all-inl.h"
#include "../kernels/table-inl.h"
}  // namespace MB_ISA
}  // namespace minibatch
#endif
