// Asks the processor by cpuid itself: __builtin_cpu_supports needs a symbol of the compiler's runtime that not every
// linker may take into a shared library.
#include "dispatch.h"

#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace minibatch {

// Made by native/target/*.cc.
namespace scalar {
extern const KernelTable kTable;
}
#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
#elif defined(__aarch64__)
namespace neon {
extern const KernelTable kTable;
}
#endif

namespace {

#if defined(__x86_64__)
struct Features {
  bool avx2 = false;    // AVX2, FMA and F16C, as native/target/avx2.cc is compiled
  bool avx512 = false;  // F, BW, DQ and VL, and the former
};

// Which registers the operating system saves; an instruction set without it faults at its first instruction.
uint64_t SavedRegisters() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

Features Detect() {
  Features result;
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return result;
  const bool osxsave = (c & bit_OSXSAVE) != 0;
  const bool avx = (c & bit_AVX) != 0;
  const bool fma = (c & bit_FMA) != 0;
  const bool f16c = (c & bit_F16C) != 0;
  if (!osxsave || !avx || !fma || !f16c) return result;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return result;
  const uint64_t saved = SavedRegisters();
  constexpr uint64_t kYmm = 0x06;  // xmm and ymm
  constexpr uint64_t kZmm = 0xe6;  // the same, mask registers and zmm
  constexpr uint32_t k512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
  result.avx2 = (b & bit_AVX2) != 0 && (saved & kYmm) == kYmm;
  result.avx512 = result.avx2 && (b & k512) == k512 && (saved & kZmm) == kZmm;
  return result;
}
#endif

}  // namespace

int32_t UsableTables(const KernelTable* tables[kMaxTables]) {
  int32_t count = 0;
  tables[count++] = &scalar::kTable;
#if defined(__x86_64__)
  const Features features = Detect();
  if (features.avx2) tables[count++] = &avx2::kTable;
  if (features.avx512) tables[count++] = &avx512::kTable;
#elif defined(__aarch64__)
  tables[count++] = &neon::kTable;  // part of every 64-bit ARM
#endif
  return count;
}

const KernelTable& BestTable(const char* forced, char* error, size_t error_size) {
  const KernelTable* tables[kMaxTables];
  const int32_t count = UsableTables(tables);
  if (error_size > 0) error[0] = '\0';
  const KernelTable& best = *tables[count - 1];
  if (forced == nullptr || forced[0] == '\0') return best;
  for (int32_t i = 0; i < count; i++) {
    if (strcmp(tables[i]->isa, forced) == 0) return *tables[i];
  }
  char usable[64] = "";
  size_t length = 0;
  for (int32_t i = 0; i < count && length < sizeof(usable); i++) {
    length += static_cast<size_t>(snprintf(usable + length, sizeof(usable) - length, "%s%s", i > 0 ? ", " : "", tables[i]->isa));
  }
  snprintf(error, error_size, "MINIBATCH_ISA: must be one that works here (%s), got \"%.32s\"", usable, forced);
  return best;
}

}  // namespace minibatch
