// What a kernel is: the one interface between programs (native/program) and kernels (native/kernels).
// Includes nothing of the standard library but the sizes of integers, so that instruction-set regions may include it.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace minibatch {

// The order of src/dtype.ts.
enum class DType : int32_t { kF32 = 0, kF64 = 1, kI32 = 2, kU8 = 3 };

constexpr int kMaxRank = 6;  // src/shape.ts: maxRank

// A contiguous row-major value. `data` is 64-byte aligned for everything the library laid out itself,
// except views at an offset inside a segment (element-aligned); kernels must not assume alignment.
struct Slice {
  void* data;
  DType dtype;
  int32_t rank;
  int64_t shape[kMaxRank];
  int64_t size;  // product of shape, in elements
};

// One instruction, resolved. Attributes are the op's attributes in the order of their keys:
// a number as itself, a boolean as 0 or 1, a list as its length and its items.
struct Call {
  const Slice* in;
  int32_t inputs;
  const Slice* out;
  int32_t outputs;
  const double* attributes;
  int32_t attribute_count;
  char* scratch;  // `Kernel::scratch` bytes, 64-byte aligned, shared by all pieces of the call
};

// What one thread owns while it runs pieces.
struct Worker {
  char* scratch;         // kWorkerScratch bytes, 64-byte aligned, private to the thread
  int64_t bad_index;     // set (>= 0) by kernels that meet an index out of range; the run stops with an error
  int64_t bad_bound;     // the bound it broke
};
constexpr int64_t kWorkerScratch = 4 << 20;

// A kernel is run in phases, each cut into pieces BY SIZE, NEVER BY THREAD COUNT (so results have the same
// bits for any number of threads); all pieces of a phase end before the next begins.
// A phase of one piece runs on the leading thread without any synchronisation: use one piece for little work
// (below about 20 microseconds).
struct Kernel {
  const char* name;
  // nullptr when this kernel can run the call; kUnsupported when it cannot (that dtype, that layout), so that the
  // TypeScript kernel serves; any other text says which rule of the op the call breaks (a bug or an attack).
  // After nullptr, `run` must stay inside the slices whatever the data are.
  const char* (*check)(const Call& call);
  int64_t (*scratch)(const Call& call);            // bytes of call scratch; may be nullptr: none
  int32_t (*phases)(const Call& call);             // may be nullptr: 1
  int64_t (*pieces)(const Call& call, int32_t phase);  // may be nullptr: 1
  void (*run)(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker);  // pieces [begin, end)
};

inline constexpr const char* kUnsupported = "unsupported";

// Loops at the limits of the machine, for benchmarks: what no kernel of the instruction set can beat (native/roofline.h).
struct Probes {
  double (*fma)(DType dtype, int64_t rounds);  // f32 or f64, in registers alone; how many FLOPs it did
  // One pass over n numbers that are not subnormal, n a multiple of kProbeStep; kProbeSpare more may be touched.
  void (*read)(const float* p, int64_t n);
  void (*copy)(float* p, int64_t n);    // the second half over the first
  void (*update)(float* p, int64_t n);  // four quarters read, three written back
};
constexpr int64_t kProbeStep = 256, kProbeSpare = 256;

// One instruction set's kernels.
struct KernelTable {
  const char* isa;  // "scalar", "avx2", "avx512", "neon"
  const Kernel* kernels;
  int32_t count;
  const Probes* probes = nullptr;
};

}  // namespace minibatch
