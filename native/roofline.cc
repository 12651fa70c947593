// Every thread runs the same list of probes, all of them one probe at the same time, each over memory of its own. A limit
// is the best of a few short samples: whatever disturbs a sample can only make it slower.
#include "roofline.h"

#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "pool.h"

namespace minibatch {
namespace {

// Within the first level of caches, the second (twice), the third (twice), and beyond all of them.
constexpr int64_t kSetBytes[kWorkingSets] = {16 << 10, 128 << 10, 512 << 10, 2 << 20, 8 << 20, 64 << 20};
// Of all threads together: beyond the caches of any processor, within the memory of any machine that has as many threads.
constexpr int64_t kMostBytes = int64_t{1} << 30;

constexpr int kSamples = 7;
// Shorter than a time slice of the system, longer than a core takes to reach its frequency again.
constexpr double kSampleSeconds = 0.003;
// Between two looks at the clock: some 10 microseconds.
constexpr int64_t kFmaRounds = 8192;
constexpr int64_t kPassBytes = 1 << 20;

enum class Kind { kF32, kF64, kRead, kCopy, kUpdate };
struct Probe {
  Kind kind;
  int64_t bytes;
};

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

enum class Order : int32_t { kWait, kMeasure, kGiveUp };

struct Free {
  void operator()(float* p) const { free(p); }
};

struct Team {
  const Probes* probes;
  int32_t threads;
  std::vector<Probe> list;
  std::vector<double> best;   // of each probe, all threads together
  std::vector<double> rates;  // of each thread, in this sample
  std::atomic<int32_t> ready{0}, ended{0}, arrived{0}, turn{0};
  std::atomic<bool> failed{false};
  std::atomic<Order> order{Order::kWait};
};
struct Member {
  Team* team;
  int32_t index;
};

// All threads go on together. The last to arrive opens the next turn.
void Meet(Team& team) {
  const int32_t turn = team.turn.load();
  if (team.arrived.fetch_add(1) + 1 == team.threads) {
    team.arrived.store(0);
    team.turn.store(turn + 1);
    return;
  }
  while (team.turn.load() == turn) std::this_thread::yield();
}

// GFLOP or GB of about 10 microseconds' work.
double Work(const Probes& probes, const Probe& probe, float* memory) {
  if (probe.kind == Kind::kF32) return 1e-9 * probes.fma(DType::kF32, kFmaRounds);
  if (probe.kind == Kind::kF64) return 1e-9 * probes.fma(DType::kF64, kFmaRounds);
  const int64_t n = probe.bytes / static_cast<int64_t>(sizeof(float));
  const int64_t passes = std::max<int64_t>(1, kPassBytes / probe.bytes);
  for (int64_t i = 0; i < passes; i++) {
    if (probe.kind == Kind::kRead) probes.read(memory, n);
    else if (probe.kind == Kind::kCopy) probes.copy(memory, n);
    else probes.update(memory, n);
  }
  const double traffic = probe.kind == Kind::kUpdate ? 7.0 / 4 : 1;
  return 1e-9 * traffic * static_cast<double>(probe.bytes * passes);
}

void Measure(Team& team, int32_t index, float* memory) {
  for (size_t p = 0; p < team.list.size(); p++) {
    Work(*team.probes, team.list[p], memory);  // into the caches
    for (int sample = 0; sample < kSamples; sample++) {
      Meet(team);
      double work = 0, seconds;
      const double began = Now();
      do {
        work += Work(*team.probes, team.list[p], memory);
        seconds = Now() - began;
      } while (seconds < kSampleSeconds);
      team.rates[static_cast<size_t>(index)] = work / seconds;
      Meet(team);
      if (index != 0) continue;
      double all = 0;
      for (double rate : team.rates) all += rate;
      team.best[p] = std::max(team.best[p], all);
    }
  }
}

using Block = std::unique_ptr<float, Free>;

// A thread's own memory, written by that thread: the system gives out pages, and places them, at the first write.
Block Allocate(Team& team) {
  int64_t bytes = 0;
  for (const Probe& probe : team.list) bytes = std::max(bytes, probe.bytes);
  bytes += kProbeSpare * static_cast<int64_t>(sizeof(float));
  void* memory = nullptr;
  if (posix_memalign(&memory, 4096, static_cast<size_t>(bytes)) != 0) {
    team.failed.store(true);
    return nullptr;
  }
  memset(memory, 0, static_cast<size_t>(bytes));
  return Block(static_cast<float*>(memory));
}

// On the threads beside the leader.
void Follow(void* argument) {
  const Member& member = *static_cast<Member*>(argument);
  Team& team = *member.team;
  {
    const Block memory = Allocate(team);
    team.ready.fetch_add(1);
    while (team.order.load() == Order::kWait) std::this_thread::yield();
    if (team.order.load() == Order::kMeasure) Measure(team, member.index, memory.get());
  }
  team.ended.fetch_add(1);  // the last touch: then the team may go
}

}  // namespace

bool MeasureLimits(const Probes& probes, int32_t threads, bool memory, Limits* limits) {
  Team team;
  team.probes = &probes;
  team.threads = threads;
  team.list = {{Kind::kF32, 0}, {Kind::kF64, 0}};
  constexpr int64_t kStepBytes = kProbeStep * sizeof(float);
  const int64_t most = kMostBytes / threads / kStepBytes * kStepBytes;
  for (int64_t bytes : kSetBytes) {
    if (!memory) break;
    for (Kind kind : {Kind::kRead, Kind::kCopy, Kind::kUpdate}) team.list.push_back({kind, std::min(bytes, most)});
  }
  team.best.resize(team.list.size());
  team.rates.resize(static_cast<size_t>(threads));

  std::vector<Member> members;
  for (int32_t i = 1; i < threads; i++) members.push_back({&team, i});
  int32_t made = 0;
  while (made < threads - 1 && RunOnOwnThread(Follow, &members[static_cast<size_t>(made)])) made++;
  const Block block = Allocate(team);
  while (team.ready.load() < made) std::this_thread::yield();
  const bool able = made == threads - 1 && !team.failed.load();
  team.order.store(able ? Order::kMeasure : Order::kGiveUp);
  if (able) Measure(team, 0, block.get());
  while (team.ended.load() < made) std::this_thread::yield();
  if (!able) return false;

  *limits = {};
  limits->f32 = team.best[0];
  limits->f64 = team.best[1];
  for (size_t p = 2, i = 0; p < team.list.size(); p += 3, i++) {
    limits->memory[i] = {team.list[p].bytes, team.best[p], team.best[p + 1], team.best[p + 2]};
  }
  return true;
}

}  // namespace minibatch
