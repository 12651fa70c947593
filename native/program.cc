// Decoding trusts nothing: a program that passes can be run on any memories that `Check` accepts without a kernel
// leaving its slices. Everything that depends on sizes alone (phases, pieces, scratch) is asked of kernels once, here,
// so that the step loop only calls `run`.
#include "program.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <chrono>

#include "pace.h"

namespace minibatch {
namespace {

// Far beyond any network (a large one has some thousand instructions of about 50 numbers), small enough to decode
// in memory that surely exists.
constexpr int64_t kMaxNumbers = 1 << 24;
constexpr int64_t kMaxNames = 1 << 20;  // characters
constexpr int64_t kMaxName = 64;
constexpr int64_t kMaxInputs = 1 << 16;
constexpr int64_t kMaxOutputs = 64;
constexpr int64_t kMaxWhole = int64_t{1} << 53;  // the last whole number that a double surely holds
constexpr size_t kRestingStates = 2;             // runs of one program at once are rare: a validation beside a training

constexpr int64_t kElementBytes[] = {4, 8, 4, 1};  // by DType

__attribute__((format(printf, 1, 2))) std::string Text(const char* format, ...) {
  char buffer[400];
  va_list list;
  va_start(list, format);
  vsnprintf(buffer, sizeof(buffer), format, list);
  va_end(list);
  return buffer;
}

bool IsWhole(double x, int64_t min, int64_t max) {
  return x >= static_cast<double>(min) && x <= static_cast<double>(max) && x == trunc(x);  // false for NaN
}

const Kernel* FindKernel(const KernelTable& table, const std::string& name) {
  for (int32_t i = 0; i < table.count; i++) {
    if (name == table.kernels[i].name) return &table.kernels[i];
  }
  return nullptr;
}

bool Overlap(int64_t a, int64_t a_bytes, int64_t b, int64_t b_bytes) {
  return a_bytes > 0 && b_bytes > 0 && a < b + b_bytes && b < a + a_bytes;
}

}  // namespace

// One pass over the numbers. Each step returns false when `error` says what is wrong.
struct Program::Decoder {
  Program& program;
  const KernelTable& table;
  const double* at;
  const double* end;
  std::string& error;
  std::string where;  // " (instruction 3)"

  bool Fail(const std::string& message) {
    error = message + where;
    return false;
  }

  bool Whole(const char* what, int64_t min, int64_t max, int64_t* out) {
    if (at == end) return Fail(Text("program: ends before %s", what));
    const double x = *at++;
    if (!IsWhole(x, min, max)) {
      return Fail(Text("program: %s must be a whole number from %lld to %lld, got %.17g", what, static_cast<long long>(min),
                       static_cast<long long>(max), x));
    }
    *out = static_cast<int64_t>(x);
    return true;
  }

  bool Names(std::string_view names) {
    if (static_cast<int64_t>(names.size()) > kMaxNames)
      return Fail(Text("program: names are longer than %lld characters", static_cast<long long>(kMaxNames)));
    for (size_t begin = 0; begin < names.size();) {
      const size_t stop = std::min(names.find('\n', begin), names.size());
      const std::string_view name = names.substr(begin, stop - begin);
      const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
      });
      if (name.empty() || static_cast<int64_t>(name.size()) > kMaxName || !plain) {
        return Fail(Text("program: a name must have 1 to %lld letters, digits or _.-, name %zu has not", static_cast<long long>(kMaxName),
                         program.names_.size()));
      }
      program.names_.emplace_back(name);
      begin = stop + 1;
    }
    return true;
  }

  bool Memories() {
    int64_t count = 0;
    if (!Whole("the number of memories", 0, 1 << 16, &count)) return false;
    for (int64_t i = 0; i < count; i++) {
      MemorySpec spec{0, 0, 0, 1};
      if (!Whole("a memory's bytes", 0, kMaxWhole, &spec.bytes)) return false;
      if (!Whole("a memory's bytes per step", 0, kMaxWhole, &spec.bytes_per_step)) return false;
      program.memories_.push_back(spec);
    }
    return true;
  }

  bool OneSlice() {
    int64_t memory = 0, offset = 0, dtype = 0, rank = 0;
    if (!Whole("a slice's memory", 0, program.memory_count() - 1, &memory)) return false;
    if (!Whole("a slice's byte offset", 0, kMaxWhole, &offset)) return false;
    if (!Whole("a slice's dtype", 0, 3, &dtype)) return false;
    if (!Whole("a slice's rank", 0, kMaxRank, &rank)) return false;
    MemorySpec& spec = program.memories_[static_cast<size_t>(memory)];
    const int64_t element = kElementBytes[dtype];
    Slice slice{};
    slice.dtype = static_cast<DType>(dtype);
    slice.rank = static_cast<int32_t>(rank);
    slice.size = 1;
    // The product without zeros must be small too: kernels multiply some of the sizes of an empty slice.
    int64_t nonzero_bytes = element;
    for (int64_t i = 0; i < rank; i++) {
      if (!Whole("a size", 0, kMaxWhole, &slice.shape[i])) return false;
      slice.size *= slice.shape[i] == 0 ? 0 : 1;
      if (slice.shape[i] != 0 && (__builtin_mul_overflow(nonzero_bytes, slice.shape[i], &nonzero_bytes) || nonzero_bytes > kMaxWhole)) {
        return Fail("program: a slice's sizes have too large a product");
      }
    }
    slice.size = slice.size == 0 ? 0 : nonzero_bytes / element;
    const int64_t bytes = slice.size * element;
    if (offset % element != 0 || spec.bytes_per_step % element != 0) {
      return Fail(Text(
          "program: a slice must start at a multiple of its element of %lld bytes in every step, got byte %lld and %lld bytes per step",
          static_cast<long long>(element), static_cast<long long>(offset), static_cast<long long>(spec.bytes_per_step)));
    }
    if (offset > spec.bytes || bytes > spec.bytes - offset) {
      return Fail(Text("program: a slice must end inside its memory of %lld bytes, got %lld bytes at %lld",
                       static_cast<long long>(spec.bytes), static_cast<long long>(bytes), static_cast<long long>(offset)));
    }
    spec.reach = std::max(spec.reach, offset + bytes);
    spec.alignment = std::max(spec.alignment, element);
    program.slices_.push_back(slice);
    program.places_.push_back({static_cast<int32_t>(memory), offset});
    return true;
  }

  // Pieces of an instruction run in any order on several threads: what one writes no other may read or write, unless
  // an output lies exactly on an input (then the kernel's op allows it).
  bool Overlaps(const Instruction& instruction) {
    const int64_t begin = instruction.slices;
    const int64_t outputs = begin + instruction.inputs;
    const int64_t stop = outputs + instruction.outputs;
    const auto bytes = [&](int64_t i) { return program.slices_[i].size * kElementBytes[static_cast<int32_t>(program.slices_[i].dtype)]; };
    for (int64_t o = outputs; o < stop; o++) {
      for (int64_t i = begin; i < stop; i++) {
        if (i == o) continue;
        const Place& a = program.places_[o];
        const Place& b = program.places_[i];
        if (a.memory != b.memory || !Overlap(a.offset, bytes(o), b.offset, bytes(i))) continue;
        const bool same = a.offset == b.offset && bytes(o) == bytes(i);
        if (i < outputs && same) continue;
        return Fail(Text("%s: output %lld must not overlap %s %lld, got bytes %lld and %lld of memory %d",
                         program.names_[instruction.name].c_str(), static_cast<long long>(o - outputs),
                         i < outputs ? "part of input" : "output", static_cast<long long>(i < outputs ? i - begin : i - outputs),
                         static_cast<long long>(a.offset), static_cast<long long>(b.offset), a.memory));
      }
    }
    return true;
  }

  bool OneInstruction(int64_t index) {
    where = Text(" (instruction %lld)", static_cast<long long>(index));
    int64_t name = 0, inputs = 0, outputs = 0, attributes = 0;
    if (!Whole("a name index", 0, static_cast<int64_t>(program.names_.size()) - 1, &name)) return false;
    if (!Whole("the number of inputs", 0, kMaxInputs, &inputs)) return false;
    if (!Whole("the number of outputs", 0, kMaxOutputs, &outputs)) return false;
    if (!Whole("the number of attributes", 0, kMaxNumbers, &attributes)) return false;
    Instruction instruction{};
    instruction.name = static_cast<int32_t>(name);
    instruction.inputs = static_cast<int32_t>(inputs);
    instruction.outputs = static_cast<int32_t>(outputs);
    instruction.attributes = static_cast<int32_t>(attributes);
    instruction.slices = static_cast<int64_t>(program.slices_.size());
    for (int64_t i = 0; i < inputs + outputs; i++) {
      if (!OneSlice()) return false;
    }
    if (end - at < attributes) return Fail(Text("program: ends before its %lld attributes", static_cast<long long>(attributes)));
    instruction.attribute_begin = static_cast<int64_t>(program.attributes_.size());
    program.attributes_.insert(program.attributes_.end(), at, at + attributes);
    at += attributes;
    if (!Overlaps(instruction)) return false;
    program.instructions_.push_back(instruction);
    return true;
  }

  // After all slices and attributes stand where they stay.
  bool FindKernels() {
    for (int64_t index = 0; index < program.instruction_count(); index++) {
      Instruction& instruction = program.instructions_[static_cast<size_t>(index)];
      where = Text(" (instruction %lld)", static_cast<long long>(index));
      const std::string& name = program.names_[static_cast<size_t>(instruction.name)];
      const Kernel* kernel = FindKernel(table, name);
      const Call call = program.CallOf(instruction, program.slices_.data() + instruction.slices, nullptr);
      if (kernel != nullptr) {
        const char* broken = kernel->check(call);
        if (broken != nullptr && strcmp(broken, kUnsupported) != 0) return Fail(name + ": " + broken);
        if (broken != nullptr) kernel = nullptr;
      }
      if (kernel == nullptr) {
        program.unsupported_.push_back(static_cast<int32_t>(index));
        continue;
      }
      instruction.kernel = kernel;
      instruction.phases = kernel->phases != nullptr ? kernel->phases(call) : 1;
      instruction.phase_begin = static_cast<int64_t>(program.pieces_.size());
      for (int32_t phase = 0; phase < instruction.phases; phase++) {
        program.pieces_.push_back(kernel->pieces != nullptr ? kernel->pieces(call, phase) : 1);
      }
      if (kernel->scratch != nullptr) program.scratch_bytes_ = std::max(program.scratch_bytes_, kernel->scratch(call));
    }
    return true;
  }

  bool All(std::string_view names) {
    int64_t version = 0, count = 0;
    if (end - at > kMaxNumbers)
      return Fail(Text("program: at most %lld numbers, got %lld", static_cast<long long>(kMaxNumbers), static_cast<long long>(end - at)));
    if (!Whole("the version", 0, kMaxWhole, &version)) return false;
    if (version != kProgramVersion) {
      return Fail(Text("program: version must be %lld, got %lld (addon and library of different versions?)",
                       static_cast<long long>(kProgramVersion), static_cast<long long>(version)));
    }
    if (!Names(names) || !Memories() || !Whole("the number of instructions", 0, kMaxNumbers, &count)) return false;
    for (int64_t i = 0; i < count; i++) {
      if (!OneInstruction(i)) return false;
    }
    where.clear();
    if (at != end) return Fail(Text("program: %lld numbers are left after the last instruction", static_cast<long long>(end - at)));
    program.resting_.reserve(kRestingStates);
    return FindKernels();
  }
};

// Slices and calls with their addresses, for one run at a time.
struct Program::State {
  struct Operation {
    Call call;
    void (*run)(const Call& call, int32_t phase, int64_t begin, int64_t end, Worker& worker);
    const int64_t* pieces;  // per phase
    Pace* paces;            // per phase
    int32_t phases;
    bool single;  // one phase of one piece
  };
  std::vector<Slice> slices;
  std::vector<Operation> operations;
  std::vector<Pace> paces;  // of pieces_, item by item
  // Slices of this run that move from step to step, and by how much.
  struct Moving {
    int64_t slice;
    int64_t bytes;
  };
  std::vector<Moving> moving;
  char* scratch = nullptr;

  ~State() { free(scratch); }
};

Program::~Program() = default;

std::shared_ptr<const Program> Program::Decode(std::string_view names, const double* code, int64_t count, const KernelTable& table,
                                               std::string* error) {
  std::shared_ptr<Program> program(new Program);
  Decoder decoder{*program, table, code, code + count, *error, {}};
  if (!decoder.All(names)) return nullptr;
  return program;
}

Call Program::CallOf(const Instruction& instruction, const Slice* slices, char* scratch) const {
  return {slices,
          instruction.inputs,
          slices + instruction.inputs,
          instruction.outputs,
          attributes_.data() + instruction.attribute_begin,
          instruction.attributes,
          scratch};
}

std::string Program::Check(const RunRequest& request) const {
  if (static_cast<int64_t>(request.memories.size()) != memory_count()) {
    return Text("run: the program has %lld memories, got %zu", static_cast<long long>(memory_count()), request.memories.size());
  }
  if (request.steps < 0 || request.steps > kMaxSteps) return "run: steps must be from 0 to 2147483647";
  if (request.threads < 1 || request.threads > kMaxThreads)
    return Text("run: threads must be from 1 to %d, got %d", kMaxThreads, request.threads);
  if (request.first < 0 || request.first > request.last || request.last > instruction_count()) {
    return Text("run: instructions must be a range inside 0 to %lld, got %lld to %lld", static_cast<long long>(instruction_count()),
                static_cast<long long>(request.first), static_cast<long long>(request.last));
  }
  const auto missing = std::lower_bound(unsupported_.begin(), unsupported_.end(), request.first);
  if (missing != unsupported_.end() && *missing < request.last) {
    return Text("%s: has no native kernel for this call (instruction %d)", names_[instructions_[*missing].name].c_str(), *missing);
  }
  for (size_t i = 0; i < memories_.size(); i++) {
    const MemorySpec& spec = memories_[i];
    const MemoryRange& memory = request.memories[i];
    int64_t needed = 0;
    bool fits =
        !__builtin_mul_overflow(spec.bytes_per_step, request.steps, &needed) && memory.bytes >= needed && memory.bytes >= spec.bytes;
    if (fits && request.steps > 0) {
      // Were a step's slices to reach beyond bytes_per_step, the last step would need more than the product.
      fits = !__builtin_mul_overflow(spec.bytes_per_step, request.steps - 1, &needed) &&
             !__builtin_add_overflow(needed, spec.reach, &needed) && memory.bytes >= needed;
    }
    if (!fits) {
      return Text("run: memory %zu must have %lld bytes and %lld in each of %lld steps, got %lld", i, static_cast<long long>(spec.bytes),
                  static_cast<long long>(spec.bytes_per_step), static_cast<long long>(request.steps), static_cast<long long>(memory.bytes));
    }
    if (reinterpret_cast<uintptr_t>(memory.data) % static_cast<uintptr_t>(spec.alignment) != 0) {
      return Text("run: memory %zu must start at a multiple of %lld bytes", i, static_cast<long long>(spec.alignment));
    }
  }
  return {};
}

std::unique_ptr<Program::State> Program::TakeState() const {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!resting_.empty()) {
      std::unique_ptr<State> state = std::move(resting_.back());
      resting_.pop_back();
      return state;
    }
  }
  std::unique_ptr<State> state(new State);
  if (scratch_bytes_ > 0) {
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, static_cast<size_t>(scratch_bytes_)) != 0) return nullptr;
    state->scratch = static_cast<char*>(memory);
  }
  state->slices = slices_;
  state->operations.resize(instructions_.size());
  state->paces.resize(pieces_.size());
  for (size_t i = 0; i < instructions_.size(); i++) {
    const Instruction& instruction = instructions_[i];
    if (instruction.kernel == nullptr) continue;
    State::Operation& operation = state->operations[i];
    operation.call = CallOf(instruction, state->slices.data() + instruction.slices, state->scratch);
    operation.run = instruction.kernel->run;
    operation.pieces = pieces_.data() + instruction.phase_begin;
    operation.paces = state->paces.data() + instruction.phase_begin;
    operation.phases = instruction.phases;
    operation.single = instruction.phases == 1 && operation.pieces[0] == 1;
  }
  return state;
}

RunResult Program::Run(const RunRequest& request) const {
  RunResult result;
  result.error = Check(request);
  if (!result.error.empty()) return result;
  int32_t* control = request.control;
  if (control != nullptr) __atomic_store_n(&control[1], 0, __ATOMIC_SEQ_CST);
  if (request.steps == 0) return result;
  std::unique_ptr<State> state = TakeState();
  Crew crew(request.threads);
  if (state == nullptr || !crew.ok()) {
    result.error =
        Text("memory: no %lld bytes for scratch", static_cast<long long>(state == nullptr ? scratch_bytes_ : kWorkerScratch));
    return result;
  }

  const int64_t end_slice =
      request.last == request.first
          ? 0
          : instructions_[request.last - 1].slices + instructions_[request.last - 1].inputs + instructions_[request.last - 1].outputs;
  state->moving.clear();
  for (int64_t i = request.last == request.first ? 0 : instructions_[request.first].slices; i < end_slice; i++) {
    const Place& place = places_[i];
    state->slices[i].data = request.memories[place.memory].data + place.offset;
    if (memories_[place.memory].bytes_per_step != 0) state->moving.push_back({i, memories_[place.memory].bytes_per_step});
  }

  struct Phase {
    const State::Operation* operation;
    int32_t phase;
  };
  const auto run_pieces = [](const void* context, int64_t begin, int64_t end, Worker& worker) {
    const Phase& phase = *static_cast<const Phase*>(context);
    phase.operation->run(phase.operation->call, phase.phase, begin, end, worker);
  };
  Worker& leader = crew.leader();
  const auto run_phase = [&](const State::Operation* operation, int32_t phase) {
    const int64_t pieces = operation->pieces[phase];
    const Phase now{operation, phase};
    if (request.threads == 1 || pieces <= 1) {
      crew.Run({run_pieces, &now, pieces});
      return;
    }
    using Clock = std::chrono::steady_clock;
    Pace& pace = operation->paces[phase];
    const Pace::Turn turn = pace.Next();
    const Clock::time_point began = turn.timed ? Clock::now() : Clock::time_point();
    if (turn.way == Pace::kAlone) run_pieces(&now, 0, pieces, leader);
    else crew.Run({run_pieces, &now, pieces});
    if (turn.timed) pace.Took(turn.way, std::chrono::duration<float, std::nano>(Clock::now() - began).count());
  };
  const State::Operation* const first = state->operations.data() + request.first;
  const State::Operation* const last = state->operations.data() + request.last;
  const auto abandoned = [&request] { return request.abandoned != nullptr && request.abandoned->load(std::memory_order_relaxed); };

  for (int64_t step = 0; step < request.steps; step++) {
    if (control != nullptr && __atomic_load_n(&control[0], __ATOMIC_SEQ_CST) != 0) break;
    for (const State::Operation* operation = first; operation != last; operation++) {
      if (abandoned()) break;
      if (operation->single) {
        operation->run(operation->call, 0, 0, 1, leader);
      } else {
        for (int32_t phase = 0; phase < operation->phases; phase++) run_phase(operation, phase);
      }
      if (leader.bad_index >= 0 || leader.bad_bound >= 0) {
        const int64_t index = operation - state->operations.data();
        result.error =
            Text("%s: index %lld is out of range for %lld (instruction %lld)", names_[instructions_[index].name].c_str(),
                 static_cast<long long>(leader.bad_index), static_cast<long long>(leader.bad_bound), static_cast<long long>(index));
        break;
      }
    }
    if (!result.error.empty() || abandoned()) break;
    // After the last step nothing moves: the addresses would lie behind the memories.
    if (step + 1 < request.steps) {
      for (const State::Moving& moving : state->moving) {
        Slice& slice = state->slices[moving.slice];
        slice.data = static_cast<char*>(slice.data) + moving.bytes;
      }
      crew.Refill();
    }
    result.steps_done = step + 1;
    if (control != nullptr) __atomic_store_n(&control[1], static_cast<int32_t>(step + 1), __ATOMIC_SEQ_CST);
  }

  std::lock_guard<std::mutex> lock(mutex_);
  if (resting_.capacity() >= kRestingStates && resting_.size() < kRestingStates) resting_.push_back(std::move(state));
  return result;
}

}  // namespace minibatch
