// Programs: decoding refuses what is wrong and says what, running does what the numbers say.
// Worth most under the asan preset: every number of a valid program is spoiled in turn, and what still decodes is run.
#include "program.h"

#include <math.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "check.h"
#include "tiny_kernels.h"

namespace minibatch {
namespace {

struct Operand {
  int memory;
  double offset;
  int dtype;
  std::vector<double> shape;
};

// Writes the numbers of a program.
struct Writer {
  std::vector<double> memories, instructions;
  int memory_count = 0, count = 0;

  void Memory(double bytes, double per_step) {
    memories.push_back(bytes);
    memories.push_back(per_step);
    memory_count++;
  }
  void Add(int name, const std::vector<Operand>& in, const std::vector<Operand>& out, const std::vector<double>& attributes = {}) {
    auto& code = instructions;
    for (double x : {double(name), double(in.size()), double(out.size()), double(attributes.size())}) code.push_back(x);
    for (const auto* list : {&in, &out}) {
      for (const Operand& o : *list) {
        for (double x : {double(o.memory), o.offset, double(o.dtype), double(o.shape.size())}) code.push_back(x);
        code.insert(code.end(), o.shape.begin(), o.shape.end());
      }
    }
    code.insert(code.end(), attributes.begin(), attributes.end());
    count++;
  }
  std::vector<double> Code() const {
    std::vector<double> code = {1, double(memory_count)};
    code.insert(code.end(), memories.begin(), memories.end());
    code.push_back(count);
    code.insert(code.end(), instructions.begin(), instructions.end());
    return code;
  }
};

constexpr const char* kNames = "add\nscale\nsum\npick\nmissing";
enum { kAdd, kScale, kSum, kPick, kMissing };

std::shared_ptr<const Program> Decode(const std::vector<double>& code, std::string* error, const char* names = kNames) {
  error->clear();
  // An exact copy on the heap: reading one number too many is an error under ASan.
  const std::unique_ptr<double[]> exact(new double[code.size()]);
  std::copy(code.begin(), code.end(), exact.get());
  return Program::Decode(names, exact.get(), int64_t(code.size()), tiny::kTable, error);
}

std::string Reason(const Writer& writer) {
  std::string error;
  const auto program = Decode(writer.Code(), &error);
  return program == nullptr ? error : "decoded";
}

// Memories with room for `bytes` each and nothing after.
struct Room {
  std::vector<std::unique_ptr<char[]>> blocks;
  RunRequest request;

  explicit Room(const std::vector<int64_t>& bytes) {
    for (int64_t n : bytes) {
      blocks.emplace_back(new char[size_t(n)]());
      request.memories.push_back({blocks.back().get(), n});
    }
  }
  float* Floats(int memory) { return reinterpret_cast<float*>(request.memories[size_t(memory)].data); }
  int32_t* Ints(int memory) { return reinterpret_cast<int32_t*>(request.memories[size_t(memory)].data); }
};

// theta += 2 x of the step; total of theta into the step's output. Memories: theta, x (streamed), out (streamed), arena.
Writer Example(int n) {
  Writer w;
  w.Memory(4.0 * n, 0);
  w.Memory(4.0 * n, 4.0 * n);
  w.Memory(64, 64);
  w.Memory(4.0 * n, 0);
  const double size = n;
  w.Add(kScale, {{1, 0, 0, {size}}}, {{3, 0, 0, {size}}}, {2});
  w.Add(kAdd, {{0, 0, 0, {size}}, {3, 0, 0, {size}}}, {{0, 0, 0, {size}}});
  w.Add(kSum, {{0, 0, 0, {size}}}, {{2, 8, 0, {}}});
  return w;
}

void RunsSteps() {
  constexpr int kN = 1000, kSteps = 5;
  std::string error;
  const auto program = Decode(Example(kN).Code(), &error);
  CHECK_TEXT(error, "");
  if (program == nullptr) return;
  std::vector<float> first;
  for (int threads : {1, 2, 4}) {
    Room room({4 * kN, 4 * kN * kSteps, 64 * kSteps, 4 * kN});
    for (int i = 0; i < kN * kSteps; i++) room.Floats(1)[i] = float(i % 7) / 3 + float(i / kN);
    int32_t control[2] = {0, 99};
    room.request.steps = kSteps;
    room.request.last = 3;
    room.request.threads = threads;
    room.request.control = control;
    const RunResult result = program->Run(room.request);
    CHECK_TEXT(result.error, "");
    CHECK(result.steps_done == kSteps && control[1] == kSteps);
    float expected = 0;
    for (int i = 0; i < kN; i++) {
      float theta = 0;
      for (int s = 0; s < kSteps; s++) theta += 2 * room.Floats(1)[s * kN + i];
      CHECK(room.Floats(0)[i] == theta);
      expected += theta;
    }
    CHECK(fabsf(room.Floats(2)[16 * (kSteps - 1) + 2] / expected - 1) < 1e-5f);
    CHECK(room.Floats(2)[2] > 0 && room.Floats(2)[2] < room.Floats(2)[18]);  // each step wrote its own place
    std::vector<float> out(room.Floats(2), room.Floats(2) + 16 * kSteps);
    if (first.empty()) first = out;
    CHECK(first == out);  // bit for bit with any number of threads
  }
}

void Ranges() {
  std::string error;
  const auto program = Decode(Example(4).Code(), &error);
  Room room({16, 16 * 3, 64 * 3, 16});
  for (int i = 0; i < 12; i++) room.Floats(1)[i] = float(i + 1);
  room.request.last = 1;  // only the scaling
  CHECK_TEXT(program->Run(room.request).error, "");
  CHECK(room.Floats(3)[3] == 8 && room.Floats(0)[3] == 0);
  room.request.first = 1;
  room.request.last = 3;
  CHECK_TEXT(program->Run(room.request).error, "");
  CHECK(room.Floats(0)[3] == 8 && room.Floats(2)[2] == 20);
  room.request.first = room.request.last = 3;
  CHECK(program->Run(room.request).steps_done == 1);
  room.request.steps = 0;
  CHECK(program->Run(room.request).steps_done == 0);
}

void Stops() {
  std::string error;
  const auto program = Decode(Example(4).Code(), &error);
  Room room({16, 16 * 3, 64 * 3, 16});
  int32_t control[2] = {1, 7};
  std::atomic<bool> abandoned{true};
  room.request.last = 3;
  room.request.steps = 3;
  room.request.control = control;
  CHECK(program->Run(room.request).steps_done == 0 && control[1] == 0);
  control[0] = 0;
  room.request.abandoned = &abandoned;
  CHECK(program->Run(room.request).steps_done == 0);
  abandoned = false;
  CHECK(program->Run(room.request).steps_done == 3 && control[1] == 3);
}

void BadIndex() {
  constexpr int kN = 500;
  Writer w;
  w.Memory(40, 0);
  w.Memory(4 * kN, 0);
  w.Memory(4 * kN, 0);
  w.Add(kScale, {{0, 0, 0, {10}}}, {{0, 0, 0, {10}}}, {1});
  w.Add(kPick, {{0, 0, 0, {10}}, {1, 0, 2, {kN}}}, {{2, 0, 0, {kN}}});
  std::string error;
  const auto program = Decode(w.Code(), &error);
  CHECK_TEXT(error, "");
  for (int threads : {1, 3}) {
    Room room({40, 4 * kN, 4 * kN});
    room.request.last = 2;
    room.request.threads = threads;
    CHECK_TEXT(program->Run(room.request).error, "");
    room.Ints(1)[300] = 12;
    CHECK_TEXT(program->Run(room.request).error, "pick: index 12 is out of range for 10 (instruction 1)");
    room.Ints(1)[300] = -1;
    CHECK_TEXT(program->Run(room.request).error, "pick: index -1 is out of range for 10 (instruction 1)");
    room.Ints(1)[300] = 9;
    CHECK_TEXT(program->Run(room.request).error, "");
  }
}

void Refusals() {
  const auto one = [](const Operand& in, const Operand& out, double bytes = 64, double per_step = 0) {
    Writer w;
    w.Memory(bytes, per_step);
    w.Memory(64, 0);
    w.Add(kScale, {in}, {out}, {2});
    return Reason(w);
  };
  CHECK_TEXT(one({0, 0, 0, {16}}, {0, 0, 0, {16}}), "decoded");
  CHECK_TEXT(one({0, 0, 0, {8}}, {0, 32, 0, {8}}), "decoded");
  CHECK_TEXT(one({0, 0, 0, {8}}, {0, 28, 0, {8}}),
             "scale: output 0 must not overlap part of input 0, got bytes 28 and 0 of memory 0 (instruction 0)");
  CHECK_TEXT(one({0, 0, 0, {8}}, {0, 0, 0, {7}}),
             "scale: output 0 must not overlap part of input 0, got bytes 0 and 0 of memory 0 (instruction 0)");
  CHECK_TEXT(one({0, 0, 0, {8}}, {1, 0, 0, {7}}), "scale: sizes must be equal (instruction 0)");
  CHECK_TEXT(one({0, 0, 0, {17}}, {1, 0, 0, {17}}),
             "program: a slice must end inside its memory of 64 bytes, got 68 bytes at 0 (instruction 0)");
  CHECK_TEXT(one({0, 16, 0, {14}}, {1, 0, 0, {14}}),
             "program: a slice must end inside its memory of 64 bytes, got 56 bytes at 16 (instruction 0)");
  CHECK_TEXT(one({0, 68, 0, {0}}, {1, 0, 0, {0}}),
             "program: a slice must end inside its memory of 64 bytes, got 0 bytes at 68 (instruction 0)");
  CHECK_TEXT(
      one({0, 2, 0, {1}}, {1, 0, 0, {1}}),
      "program: a slice must start at a multiple of its element of 4 bytes in every step, got byte 2 and 0 bytes per step (instruction 0)");
  CHECK_TEXT(
      one({0, 0, 0, {1}}, {1, 0, 0, {1}}, 64, 2),
      "program: a slice must start at a multiple of its element of 4 bytes in every step, got byte 0 and 2 bytes per step (instruction 0)");
  CHECK_TEXT(one({0, 0, 0, {9007199254740992.0, 9007199254740992.0}}, {1, 0, 0, {1}}),
             "program: a slice's sizes have too large a product (instruction 0)");
  CHECK_TEXT(one({0, 0, 0, {4294967296.0, 4294967296.0, 0}}, {1, 0, 0, {1}}),
             "program: a slice's sizes have too large a product (instruction 0)");
  CHECK_TEXT(one({2, 0, 0, {1}}, {1, 0, 0, {1}}), "program: a slice's memory must be a whole number from 0 to 1, got 2 (instruction 0)");
  CHECK_TEXT(one({0, 0, 4, {1}}, {1, 0, 0, {1}}), "program: a slice's dtype must be a whole number from 0 to 3, got 4 (instruction 0)");
  CHECK_TEXT(one({0, 0, 0, {1, 1, 1, 1, 1, 1, 1}}, {1, 0, 0, {1}}),
             "program: a slice's rank must be a whole number from 0 to 6, got 7 (instruction 0)");
  CHECK_TEXT(one({0, 0, 0, {-1}}, {1, 0, 0, {1}}),
             "program: a size must be a whole number from 0 to 9007199254740992, got -1 (instruction 0)");
  CHECK_TEXT(one({0, 0, 0, {NAN}}, {1, 0, 0, {1}}),
             "program: a size must be a whole number from 0 to 9007199254740992, got nan (instruction 0)");

  std::string error;
  std::vector<double> code = Example(4).Code();
  CHECK(Decode(code, &error) != nullptr);
  code.push_back(0);
  CHECK(Decode(code, &error) == nullptr);
  CHECK_TEXT(error, "program: 1 numbers are left after the last instruction");
  code.pop_back();
  code[0] = 2;
  CHECK(Decode(code, &error) == nullptr);
  CHECK_TEXT(error, "program: version must be 1, got 2 (addon and library of different versions?)");
  code[0] = 1;
  CHECK(Decode(code, &error, "add\nscale\nsu m") == nullptr);
  CHECK_TEXT(error, "program: a name must have 1 to 64 letters, digits or _.-, name 2 has not");
  CHECK(Decode(code, &error, "add") == nullptr);
  CHECK(Decode(code, &error, "") == nullptr);
  CHECK(Decode({}, &error) == nullptr);
  CHECK_TEXT(error, "program: ends before the version");
}

void Unsupported() {
  Writer w;
  w.Memory(64, 0);
  w.Add(kScale, {{0, 0, 0, {4}}}, {{0, 0, 0, {4}}}, {2});
  w.Add(kMissing, {}, {{0, 0, 0, {4}}});
  w.Add(kScale, {{0, 0, 1, {4}}}, {{0, 0, 1, {4}}}, {2});  // f64
  w.Add(kScale, {{0, 0, 0, {4}}}, {{0, 0, 0, {4}}}, {3});
  std::string error;
  const auto program = Decode(w.Code(), &error);
  CHECK_TEXT(error, "");
  CHECK((program->unsupported() == std::vector<int32_t>{1, 2}));
  Room room({64});
  room.Floats(0)[0] = 1;
  room.request.last = 4;
  CHECK_TEXT(program->Run(room.request).error, "missing: has no native kernel for this call (instruction 1)");
  room.request.first = 2;
  CHECK_TEXT(program->Run(room.request).error, "scale: has no native kernel for this call (instruction 2)");
  room.request.first = 3;
  CHECK_TEXT(program->Run(room.request).error, "");
  CHECK(room.Floats(0)[0] == 3);
}

void Requests() {
  std::string error;
  const auto program = Decode(Example(4).Code(), &error);
  const auto reason = [&](auto change) {
    Room room({16, 48, 192, 16});
    room.request.last = 3;
    room.request.steps = 3;
    change(room.request);
    const std::string checked = program->Check(room.request);
    CHECK_TEXT(program->Run(room.request).error, checked.c_str());
    return checked;
  };
  CHECK_TEXT(reason([](RunRequest&) {}), "");
  CHECK_TEXT(reason([](RunRequest& r) { r.memories.pop_back(); }), "run: the program has 4 memories, got 3");
  CHECK_TEXT(reason([](RunRequest& r) { r.memories[0].bytes = 15; }), "run: memory 0 must have 16 bytes and 0 in each of 3 steps, got 15");
  CHECK_TEXT(reason([](RunRequest& r) { r.memories[1].bytes = 47; }), "run: memory 1 must have 16 bytes and 16 in each of 3 steps, got 47");
  CHECK_TEXT(reason([](RunRequest& r) {
               r.memories[1] = {nullptr, 0};
             }),
             "run: memory 1 must have 16 bytes and 16 in each of 3 steps, got 0");
  CHECK_TEXT(reason([](RunRequest& r) { r.memories[0].data += 2, r.memories[0].bytes += 2; }),
             "run: memory 0 must start at a multiple of 4 bytes");
  CHECK_TEXT(reason([](RunRequest& r) { r.steps = kMaxSteps; }),
             "run: memory 1 must have 16 bytes and 16 in each of 2147483647 steps, got 48");
  CHECK_TEXT(reason([](RunRequest& r) { r.steps = -1; }), "run: steps must be from 0 to 2147483647");
  CHECK_TEXT(reason([](RunRequest& r) { r.threads = 0; }), "run: threads must be from 1 to 256, got 0");
  CHECK_TEXT(reason([](RunRequest& r) { r.threads = 257; }), "run: threads must be from 1 to 256, got 257");
  CHECK_TEXT(reason([](RunRequest& r) { r.last = 4; }), "run: instructions must be a range inside 0 to 3, got 0 to 4");
  CHECK_TEXT(reason([](RunRequest& r) { r.first = 2, r.last = 1; }), "run: instructions must be a range inside 0 to 3, got 2 to 1");

  // A step's slices that reach beyond what it advances by: the last step needs them too.
  Writer w;
  w.Memory(64, 4);
  w.Add(kScale, {{0, 0, 0, {16}}}, {{0, 0, 0, {16}}}, {2});
  const auto sliding = Decode(w.Code(), &error);
  Room room({72});
  room.request.last = 1;
  room.request.steps = 3;
  CHECK_TEXT(sliding->Run(room.request).error, "");
  room.request.memories[0].bytes = 68;
  CHECK(!sliding->Run(room.request).error.empty());
}

// Spoils one number at a time, and cuts the program at every length. What still decodes must run inside its memories.
void Hostile() {
  Writer w = Example(40);
  w.Memory(40, 0);
  w.Add(kPick, {{0, 0, 0, {40}}, {4, 0, 2, {10}}}, {{3, 0, 0, {10}}});
  w.Add(kAdd, {{0, 0, 0, {2, 0}}, {3, 160, 0, {0}}}, {{3, 160, 0, {0}}});
  const std::vector<double> good = w.Code();
  const double inf = std::numeric_limits<double>::infinity();
  const double evil[] = {-1,
                         0,
                         1,
                         2,
                         3,
                         4,
                         5,
                         7,
                         39,
                         41,
                         80,
                         160,
                         0.5,
                         -0.0,
                         NAN,
                         inf,
                         -inf,
                         1e300,
                         5e-324,
                         2147483647,
                         2147483648.0,
                         4294967295.0,
                         9007199254740991.0,
                         9007199254740992.0,
                         9223372036854775808.0,
                         18446744073709551616.0};
  int decoded = 0, refused = 0;
  std::string error;
  for (size_t at = 0; at < good.size(); at++) {
    for (double x : evil) {
      std::vector<double> bad = good;
      bad[at] = x;
      const auto program = Decode(bad, &error);
      if (program == nullptr) {
        refused++;
        CHECK(!error.empty());
        continue;
      }
      decoded++;
      Room room({160, 320, 128, 160, 40});
      room.request.steps = 2;
      room.request.last = program->instruction_count();
      room.request.threads = 2;
      program->Run(room.request);
    }
    std::vector<double> cut(good.begin(), good.begin() + long(at));
    CHECK(Decode(cut, &error) == nullptr);
  }
  CHECK(refused > 500 && decoded > 100);
}

// For eyes only: what an instruction of next to nothing costs.
void Overhead() {
  Writer w;
  w.Memory(64, 0);
  w.Memory(64, 64);
  constexpr int kInstructions = 100, kSteps = 20000;
  for (int i = 0; i < kInstructions; i++) w.Add(kScale, {{i % 2, 0, 0, {1}}}, {{0, 4, 0, {1}}}, {2});
  std::string error;
  const auto program = Decode(w.Code(), &error);
  Room room({64, 64 * kSteps});
  room.request.last = kInstructions;
  const auto time = [&](int64_t steps) {
    room.request.steps = steps;
    const auto start = std::chrono::steady_clock::now();
    program->Run(room.request);
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  };
  time(100);
  printf("step loop: %.1f ns per instruction\n", time(kSteps) / kSteps / kInstructions);
  double once = 0;
  for (int i = 0; i < 2000; i++) once += time(1);
  printf("a run of one step of %d instructions: %.0f ns\n", kInstructions, once / 2000);
}

}  // namespace
}  // namespace minibatch

int main() {
  using namespace minibatch;
  RunsSteps();
  Ranges();
  Stops();
  BadIndex();
  Refusals();
  Unsupported();
  Requests();
  Hostile();
  Overhead();
  return Summary("program_test");
}
