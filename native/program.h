// A program: instructions over slices of a few memories. Decoded and validated once from the numbers that
// src/graph/program.ts writes, immutable after that, then run over any memories of the right sizes, by several runs at once.
// Knows neither JavaScript nor any particular kernel.
//
// The numbers, all of them finite and whole but attributes:
//   version = 1
//   memory count, then per memory: bytes, bytes per step (0: the same bytes in every step)
//   instruction count, then per instruction:
//     name index, input count, output count, attribute count,
//     per input and then per output: memory, byte offset, dtype, rank, sizes...
//     attributes...
// Names stand once each in a text, separated by line ends.
#pragma once

#include <stdint.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kernel.h"
#include "pool.h"

namespace minibatch {

constexpr int64_t kProgramVersion = 1;
constexpr int64_t kMaxSteps = INT32_MAX;  // progress is an int32

// The bytes behind one memory of a program, for one run.
struct MemoryRange {
  char* data;
  int64_t bytes;
};

struct RunRequest {
  std::vector<MemoryRange> memories;
  int64_t steps = 1;
  int64_t first = 0;  // instructions [first, last) of every step
  int64_t last = 0;
  int32_t threads = 1;
  // Two numbers that others may read and write meanwhile, or null: [0] nonzero asks to stop at the next step boundary,
  // [1] is the number of steps done.
  int32_t* control = nullptr;
  // Set when nobody wants the result any more: the run ends after the instruction at work. May be null.
  const std::atomic<bool>* abandoned = nullptr;
};

struct RunResult {
  int64_t steps_done = 0;
  std::string error;  // empty: none
};

class Program {
 public:
  // Null, with the reason in `error`, unless every number is valid. Kernels come from `table`, which must outlive the program.
  static std::shared_ptr<const Program> Decode(std::string_view names, const double* code, int64_t count, const KernelTable& table,
                                               std::string* error);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  int64_t memory_count() const { return static_cast<int64_t>(memories_.size()); }
  int64_t instruction_count() const { return static_cast<int64_t>(instructions_.size()); }
  // Instructions without a kernel: a run must leave them out.
  const std::vector<int32_t>& unsupported() const { return unsupported_; }

  // What is wrong with a request; empty when `Run` may be called.
  std::string Check(const RunRequest& request) const;

  // Runs on the calling thread and the helpers it gets. Checks the request first.
  RunResult Run(const RunRequest& request) const;

 private:
  struct State;
  struct Decoder;

  struct MemorySpec {
    int64_t bytes;
    int64_t bytes_per_step;
    int64_t reach;      // the last byte that any slice touches, plus one
    int64_t alignment;  // of the base: that of the largest element among its slices
  };
  struct Place {
    int32_t memory;
    int64_t offset;  // bytes
  };
  struct Instruction {
    const Kernel* kernel;  // null: unsupported
    int32_t name;
    int32_t inputs, outputs, attributes;
    int64_t slices;           // where its inputs begin in slices_ and places_; outputs follow
    int64_t attribute_begin;  // in attributes_
    int64_t phase_begin;      // in pieces_
    int32_t phases;
  };

  Program() = default;
  std::unique_ptr<State> TakeState() const;
  Call CallOf(const Instruction& instruction, const Slice* slices, char* scratch) const;

  std::vector<std::string> names_;
  std::vector<MemorySpec> memories_;
  std::vector<Instruction> instructions_;
  std::vector<Slice> slices_;  // without data
  std::vector<Place> places_;  // of slices_, item by item
  std::vector<double> attributes_;
  std::vector<int64_t> pieces_;  // per phase of each instruction
  std::vector<int32_t> unsupported_;
  int64_t scratch_bytes_ = 0;  // the most that any instruction's call needs

  // What a run writes besides memories, kept for the next one.
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<State>> resting_;
};

}  // namespace minibatch
