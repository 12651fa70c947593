// Runs single kernels without Node: operands that end at forbidden memory, pieces in several cuts, every instruction set
// this processor has, results against functions in double precision and bit for bit across cuts and AVX2 / AVX-512.
// Knows no kernel.
#pragma once

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../dispatch.h"
#include "check.h"

namespace minibatch {

using Numbers = std::vector<double>;
using Shape = std::vector<int64_t>;

inline uint64_t random_state = 88172645463325252ull;
inline double Uniform(double low, double high) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return low + (high - low) * (static_cast<double>(random_state >> 11) * 0x1p-53);
}
inline Numbers Draw(int64_t n, double low = -2, double high = 2) {
  Numbers x(static_cast<size_t>(n));
  for (double& v : x) v = Uniform(low, high);
  return x;
}
// Whole numbers from 0 to below `below`.
inline Numbers Indices(int64_t n, int64_t below) {
  Numbers x = Draw(n, 0, static_cast<double>(below));
  for (double& v : x) v = floor(v);
  return x;
}
inline int64_t SizeOf(const Shape& shape) {
  int64_t size = 1;
  for (int64_t n : shape) size *= n;
  return size;
}
inline int64_t ElementBytes(DType dtype) { return dtype == DType::kF64 ? 8 : dtype == DType::kU8 ? 1 : 4; }

// A tensor whose last (or first) byte borders on a page that may not be touched.
class Tensor {
 public:
  Tensor(DType dtype, Shape shape, bool at_end = true) : dtype_(dtype), shape_(std::move(shape)) {
    const size_t page = 4096, bytes = static_cast<size_t>(SizeOf(shape_) * ElementBytes(dtype)), whole = (bytes + page - 1) / page * page;
    total_ = whole + 2 * page;
    base_ = static_cast<char*>(mmap(nullptr, total_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) abort();
    mprotect(base_, page, PROT_NONE);
    mprotect(base_ + page + whole, page, PROT_NONE);
    data_ = at_end ? base_ + page + whole - bytes : base_ + page;
    memset(base_ + page, 0xa5, whole);
  }
  ~Tensor() { munmap(base_, total_); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  int64_t size() const { return SizeOf(shape_); }
  DType dtype() const { return dtype_; }
  char* data() const { return data_; }
  Slice slice() const {
    Slice s{};
    s.data = data_;
    s.dtype = dtype_;
    s.rank = static_cast<int32_t>(shape_.size());
    for (size_t i = 0; i < shape_.size(); i++) s.shape[i] = shape_[i];
    s.size = size();
    return s;
  }
  void Fill(const Numbers& x) {
    for (int64_t i = 0; i < size(); i++) {
      const double v = x[static_cast<size_t>(i)];
      switch (dtype_) {
        case DType::kF32: reinterpret_cast<float*>(data_)[i] = static_cast<float>(v); break;
        case DType::kF64: reinterpret_cast<double*>(data_)[i] = v; break;
        case DType::kI32: reinterpret_cast<int32_t*>(data_)[i] = static_cast<int32_t>(v); break;
        case DType::kU8: reinterpret_cast<uint8_t*>(data_)[i] = static_cast<uint8_t>(v); break;
      }
    }
  }
  Numbers Read() const {
    Numbers x(static_cast<size_t>(size()));
    for (int64_t i = 0; i < size(); i++) {
      double& v = x[static_cast<size_t>(i)];
      switch (dtype_) {
        case DType::kF32: v = static_cast<double>(reinterpret_cast<float*>(data_)[i]); break;
        case DType::kF64: v = reinterpret_cast<double*>(data_)[i]; break;
        case DType::kI32: v = reinterpret_cast<int32_t*>(data_)[i]; break;
        case DType::kU8: v = reinterpret_cast<uint8_t*>(data_)[i]; break;
      }
    }
    return x;
  }

 private:
  DType dtype_;
  Shape shape_;
  char* base_;
  char* data_;
  size_t total_;
};

inline const Kernel* Find(const KernelTable& table, const char* name) {
  for (int32_t i = 0; i < table.count; i++) {
    if (strcmp(table.kernels[i].name, name) == 0) return &table.kernels[i];
  }
  return nullptr;
}

struct Operand {
  Shape shape;
  Numbers values;
  // The dtype under test, unless another is given.
  bool fixed = false;
  DType dtype = DType::kF32;
};
inline Operand Ints(Shape shape, Numbers values) { return {std::move(shape), std::move(values), true, DType::kI32}; }

struct Result {
  Shape shape;
  bool fixed = false;
  DType dtype = DType::kF32;
  int in_place = -1;  // the input it may lie on
};

struct Case {
  const char* name;
  std::vector<Operand> inputs;
  std::vector<Result> outputs;
  Numbers attributes;
  // Outputs from inputs as stored (rounded to the dtype).
  std::function<std::vector<Numbers>(const std::vector<Numbers>&)> expected;
  // Error relative to the size of the number, and to the largest of the output.
  double f32 = 1e-6, f64 = 1e-14, f32_of_largest = 1e-7, f64_of_largest = 1e-15;
  // And at all; a product with a denormal number in f32 has few digits.
  double f32_absolute = 2e-43, f64_absolute = 0;
};

enum class Cut { kWhole, kSingleBackwards, kPairs };

// Runs one call; false with a message when the kernel refuses it.
inline bool RunCall(const Kernel& kernel, const Call& given, Cut cut, Worker& worker, std::string* refusal) {
  Call call = given;
  if (const char* wrong = kernel.check(call)) {
    *refusal = wrong;
    return false;
  }
  std::unique_ptr<Tensor> scratch;
  const int64_t bytes = kernel.scratch ? kernel.scratch(call) : 0;
  if (bytes > 0) {
    scratch.reset(new Tensor(DType::kU8, {(bytes + 63) / 64 * 64}));
    call.scratch = scratch->data();
  }
  const int32_t phases = kernel.phases ? kernel.phases(call) : 1;
  for (int32_t phase = 0; phase < phases; phase++) {
    const int64_t pieces = kernel.pieces ? kernel.pieces(call, phase) : 1;
    if (cut == Cut::kWhole) {
      kernel.run(call, phase, 0, pieces, worker);
    } else if (cut == Cut::kSingleBackwards) {
      for (int64_t p = pieces - 1; p >= 0; p--) kernel.run(call, phase, p, p + 1, worker);
    } else {
      for (int64_t p = 0; p < pieces; p += 2) kernel.run(call, phase, p, p + 2 < pieces ? p + 2 : pieces, worker);
    }
  }
  return true;
}

inline bool SameNumber(double a, double b) { return a == b || (a != a && b != b); }

// One case for one dtype: all instruction sets, cuts, in place and not.
inline void TestAs(const Case& c, DType dtype) {
  const KernelTable* tables[kMaxTables];
  const int32_t count = UsableTables(tables);
  std::vector<std::unique_ptr<Tensor>> inputs;
  std::vector<Numbers> stored;
  for (size_t i = 0; i < c.inputs.size(); i++) {
    const Operand& operand = c.inputs[i];
    inputs.emplace_back(new Tensor(operand.fixed ? operand.dtype : dtype, operand.shape, i % 2 == 0));
    inputs.back()->Fill(operand.values);
    stored.push_back(inputs.back()->Read());
  }
  const std::vector<Numbers> expected = c.expected(stored);
  std::vector<Numbers> with_fma;  // what the first instruction set with fused multiply-add gave
  static char* worker_scratch = static_cast<char*>(aligned_alloc(64, kWorkerScratch));

  for (int32_t t = 0; t < count; t++) {
    const std::string label = std::string(c.name) + " " + (dtype == DType::kF32 ? "f32 " : "f64 ") + tables[t]->isa;
    const Kernel* kernel = Find(*tables[t], c.name);
    if (kernel == nullptr) {
      CHECK_TEXT("no kernel", label.c_str());
      return;
    }
    std::vector<Numbers> first;
    bool can_lie = false;
    for (const Result& result : c.outputs) can_lie = can_lie || result.in_place >= 0;
    for (int variant = 0; variant < (can_lie ? 4 : 3); variant++) {
      for (size_t i = 0; i < inputs.size(); i++) inputs[i]->Fill(c.inputs[i].values);
      std::vector<Slice> slices;
      for (const auto& input : inputs) slices.push_back(input->slice());
      std::vector<std::unique_ptr<Tensor>> outputs;
      std::vector<const Tensor*> results;
      for (const Result& result : c.outputs) {
        if (variant == 3 && result.in_place >= 0) {
          results.push_back(inputs[static_cast<size_t>(result.in_place)].get());
        } else {
          outputs.emplace_back(new Tensor(result.fixed ? result.dtype : dtype, result.shape, variant != 1));
          results.push_back(outputs.back().get());
        }
        slices.push_back(results.back()->slice());
      }
      const Call call{slices.data(), static_cast<int32_t>(inputs.size()), slices.data() + inputs.size(), static_cast<int32_t>(results.size()),
                      c.attributes.data(), static_cast<int32_t>(c.attributes.size()), nullptr};
      Worker worker{worker_scratch, -1, -1};
      memset(worker_scratch, 0xff, 1 << 16);  // what is read without being written is NaN
      std::string refusal;
      const Cut cut = variant == 1 ? Cut::kSingleBackwards : variant == 2 ? Cut::kPairs : Cut::kWhole;
      if (!RunCall(*kernel, call, cut, worker, &refusal)) {
        CHECK_TEXT(label + " refused: " + refusal, "");
        return;
      }
      std::vector<Numbers> got;
      for (const Tensor* result : results) got.push_back(result->Read());
      if (variant == 0) first = got;
      for (size_t o = 0; o < got.size(); o++) {
        double largest = 0;
        for (double v : expected[o]) largest = v == v && fabs(v) < 1e300 && fabs(v) > largest ? fabs(v) : largest;
        checks++;
        for (size_t i = 0; i < got[o].size(); i++) {
          const double want = expected[o][i], is = got[o][i];
          const double wanted = c.outputs[o].fixed || dtype == DType::kF64 ? want : static_cast<double>(static_cast<float>(want));
          const double tolerance = dtype == DType::kF32 ? c.f32 * fabs(want) + c.f32_of_largest * largest + c.f32_absolute
                                                        : c.f64 * fabs(want) + c.f64_of_largest * largest + c.f64_absolute;
          const bool close = SameNumber(is, wanted) || fabs(is - want) <= tolerance;
          const bool same = variant == 0 || SameNumber(is, first[o][i]);
          if (close && same) continue;
          failures++;
          printf("failed: %s, variant %d, output %zu[%zu] of %zu: expected %.17g, got %.17g%s\n", label.c_str(), variant, o, i, got[o].size(), want, is,
                 same ? "" : " (differs between cuts)");
          break;
        }
      }
    }
    if (strcmp(tables[t]->isa, "scalar") == 0) continue;
    if (with_fma.empty()) with_fma = first;
    for (size_t o = 0; o < first.size(); o++) {
      checks++;
      for (size_t i = 0; i < first[o].size(); i++) {
        if (SameNumber(first[o][i], with_fma[o][i])) continue;
        failures++;
        printf("failed: %s, output %zu[%zu]: %.17g, but %.17g on another instruction set\n", label.c_str(), o, i, first[o][i], with_fma[o][i]);
        break;
      }
    }
  }
}
inline void Test(const Case& c) {
  TestAs(c, DType::kF32);
  TestAs(c, DType::kF64);
}

}  // namespace minibatch
