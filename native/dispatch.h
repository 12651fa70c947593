// Which instruction sets this processor can run, and the table of kernels made for the best of them.
// Knows no kernel and no environment variable: the caller says what was forced.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

namespace minibatch {

// The tables compiled into this library that this processor can run, from plain to best. Returns how many.
constexpr int32_t kMaxTables = 4;
int32_t UsableTables(const KernelTable* tables[kMaxTables]);

// The best usable table, or the forced one. When `forced` (may be null or empty) names no usable one, `error` says so
// and the result is the best all the same, for reports; `error` is empty otherwise.
const KernelTable& BestTable(const char* forced, char* error, size_t error_size);

}  // namespace minibatch
