// The kernels matmul and linear over a CBLAS (MINIBATCH_BLAS), and the table in which they stand for our own.
#pragma once

#include "../kernel.h"
#include "library.h"

namespace minibatch {

// `base` with its matrix products done by `library`; both must outlive the result, which lives as long as the process.
// Kernels are functions without a context, so a process multiplies with one library: the last one given here.
const KernelTable& BlasTable(const KernelTable& base, const BlasLibrary& library);

}  // namespace minibatch
