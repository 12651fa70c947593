// Kernels small enough to be seen right, for tests of programs: they use every part of the kernel interface.
#pragma once

#include <stdint.h>

#include "kernel.h"

namespace minibatch {
namespace tiny {

constexpr int64_t kPiece = 64;  // elements

inline bool AllF32(const Call& call) {
  for (int32_t i = 0; i < call.inputs; i++) {
    if (call.in[i].dtype != DType::kF32) return false;
  }
  for (int32_t i = 0; i < call.outputs; i++) {
    if (call.out[i].dtype != DType::kF32) return false;
  }
  return true;
}

inline const float* In(const Call& call, int i) { return static_cast<const float*>(call.in[i].data); }
inline float* Out(const Call& call, int i) { return static_cast<float*>(call.out[i].data); }
inline int64_t ElementPieces(const Call& call, int32_t) { return (call.out[0].size + kPiece - 1) / kPiece; }
inline int64_t EndOf(int64_t piece, int64_t size) { return piece * kPiece < size ? piece * kPiece : size; }

// add(x, y): same sizes; pieces.
inline const char* AddCheck(const Call& call) {
  if (call.inputs != 2 || call.outputs != 1 || call.attribute_count != 0) return "takes two inputs, one output";
  if (call.in[0].size != call.out[0].size || call.in[1].size != call.out[0].size) return "sizes must be equal";
  return AllF32(call) ? nullptr : kUnsupported;
}
inline void AddRun(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
  const int64_t stop = EndOf(end, call.out[0].size);
  for (int64_t i = begin * kPiece; i < stop; i++) Out(call, 0)[i] = In(call, 0)[i] + In(call, 1)[i];
}

// scale(x) {factor}: one piece.
inline const char* ScaleCheck(const Call& call) {
  if (call.inputs != 1 || call.outputs != 1 || call.attribute_count != 1) return "takes one input, one output, one attribute";
  if (call.in[0].size != call.out[0].size) return "sizes must be equal";
  return AllF32(call) ? nullptr : kUnsupported;
}
inline void ScaleRun(const Call& call, int32_t, int64_t, int64_t, Worker&) {
  for (int64_t i = 0; i < call.out[0].size; i++) Out(call, 0)[i] = In(call, 0)[i] * static_cast<float>(call.attributes[0]);
}

// sum(x) -> []: partial sums per piece in the call's scratch, then one piece that adds them in order.
inline const char* SumCheck(const Call& call) {
  if (call.inputs != 1 || call.outputs != 1 || call.attribute_count != 0 || call.out[0].size != 1)
    return "takes one input, one output of one number";
  return AllF32(call) ? nullptr : kUnsupported;
}
inline int64_t SumPieces(const Call& call, int32_t phase) { return phase == 0 ? (call.in[0].size + kPiece - 1) / kPiece : 1; }
inline int64_t SumScratch(const Call& call) { return SumPieces(call, 0) * static_cast<int64_t>(sizeof(float)); }
inline int32_t SumPhases(const Call&) { return 2; }
inline void SumRun(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker) {
  float* partial = reinterpret_cast<float*>(call.scratch);
  if (phase == 0) {
    worker.scratch[0] = worker.scratch[kWorkerScratch - 1] = 1;  // ours alone: a race here would be seen
    for (int64_t p = begin; p < end; p++) {
      partial[p] = 0;
      for (int64_t i = p * kPiece; i < EndOf(p + 1, call.in[0].size); i++) partial[p] += In(call, 0)[i];
    }
    return;
  }
  float total = 0;
  for (int64_t p = 0; p < SumPieces(call, 0); p++) total += partial[p];
  Out(call, 0)[0] = total;
}

// pick(x, i32 indices) -> x at the indices.
inline const char* PickCheck(const Call& call) {
  if (call.inputs != 2 || call.outputs != 1 || call.attribute_count != 0) return "takes two inputs, one output";
  if (call.in[1].dtype != DType::kI32) return "indices must be i32";
  if (call.in[1].size != call.out[0].size) return "sizes must be equal";
  return call.in[0].dtype == DType::kF32 && call.out[0].dtype == DType::kF32 ? nullptr : kUnsupported;
}
inline void PickRun(const Call& call, int32_t, int64_t begin, int64_t end, Worker& worker) {
  for (int64_t i = begin * kPiece; i < EndOf(end, call.out[0].size); i++) {
    const int64_t index = static_cast<const int32_t*>(call.in[1].data)[i];
    if (index < 0 || index >= call.in[0].size) {
      worker.bad_index = index;
      worker.bad_bound = call.in[0].size;
      continue;
    }
    Out(call, 0)[i] = In(call, 0)[index];
  }
}

inline const Kernel kKernels[] = {
    {"add", AddCheck, nullptr, nullptr, ElementPieces, AddRun},
    {"scale", ScaleCheck, nullptr, nullptr, nullptr, ScaleRun},
    {"sum", SumCheck, SumScratch, SumPhases, SumPieces, SumRun},
    {"pick", PickCheck, nullptr, nullptr, ElementPieces, PickRun},
};
inline const KernelTable kTable = {"tiny", kKernels, sizeof(kKernels) / sizeof(kKernels[0])};

}  // namespace tiny
}  // namespace minibatch
