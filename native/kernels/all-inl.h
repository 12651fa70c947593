// Every kernel of one instruction set. Included by native/target/*.cc inside a namespace of its own, within the target
// region, after the headers of the vector type; the table is made outside the region (table-inl.h).
#include "../simd/math-inl.h"
#include "../simd/tile-inl.h"
#include "pieces-inl.h"
#include "broadcast-inl.h"
#include "rows-inl.h"
#include "columns-inl.h"
#include "elementwise-inl.h"
#include "reduce-inl.h"
#include "movement-inl.h"
#include "indexing-inl.h"
#include "normalization-inl.h"
#include "layernorm-inl.h"
#include "loss-inl.h"
#include "philox-inl.h"
#include "dropout-inl.h"
#include "images-inl.h"
#include "sampling-inl.h"
#include "optimizer-inl.h"
#if __has_include("gemm-inl.h")
#include "gemm-inl.h"
#define MB_HAS_GEMM 1
#endif
#include "probes-inl.h"
