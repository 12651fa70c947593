// What the machine itself can do: multiply-adds and memory, on so many threads at once. For benchmarks, which give every
// figure as a share of these. Knows no kernel and no program.
#pragma once

#include <stdint.h>

#include "kernel.h"

namespace minibatch {

// GB/s over a working set of so many bytes per thread, all threads together.
struct Bandwidth {
  int64_t bytes;
  double read;    // bytes read
  double copy;    // bytes read and written, as STREAM counts them
  double update;  // 4 arrays read and 3 written, as Adam does
};
constexpr int kWorkingSets = 6;

struct Limits {
  double f32, f64;  // GFLOP/s
  Bandwidth memory[kWorkingSets];
};

// Measures for about a tenth of a second, and for half a second more with `memory`; the caller is one of the threads.
// False when there is no memory for it or no thread can be made.
bool MeasureLimits(const Probes& probes, int32_t threads, bool memory, Limits* limits);

}  // namespace minibatch
