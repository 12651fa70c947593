// Crews and runners: every piece exactly once, phases in order, several crews at once, helpers that come and go.
// Worth most under the tsan preset.
#include "pool.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "check.h"

namespace minibatch {
namespace {

struct Counts {
  std::vector<int32_t> times;  // plain numbers: two threads at one piece would be a race
  std::vector<int64_t> before;
};

void Count(const void* context, int64_t begin, int64_t end, Worker& worker) {
  Counts& counts = *static_cast<Counts*>(const_cast<void*>(context));
  worker.scratch[0] = 1;
  for (int64_t i = begin; i < end; i++) counts.times[static_cast<size_t>(i)]++;
}

void EveryPieceOnce() {
  for (int32_t threads : {1, 2, 3, 4, 7}) {
    Crew crew(threads);
    CHECK(crew.ok());
    for (int64_t pieces : {0, 1, 2, 3, 5, 64, 1000}) {
      Counts counts{std::vector<int32_t>(static_cast<size_t>(pieces)), {}};
      for (int round = 1; round <= 20; round++) {
        crew.Run({Count, &counts, pieces});
        bool all = true;
        for (int32_t n : counts.times) all = all && n == round;
        CHECK(all);
      }
    }
    // The helpers of the crew before may have been on their way home when this one asked.
    for (int i = 0; i < 1000 && crew.helpers() < threads - 1; i++) usleep(1000), crew.Refill();
    CHECK(crew.helpers() == threads - 1);
  }
}

// Each phase reads what all pieces of the one before have written, on whichever threads.
struct Chain {
  const std::vector<int64_t>* from;
  std::vector<int64_t>* to;
};
void Step(const void* context, int64_t begin, int64_t end, Worker&) {
  const Chain& chain = *static_cast<const Chain*>(context);
  const size_t n = chain.from->size();
  for (int64_t i = begin; i < end; i++) (*chain.to)[static_cast<size_t>(i)] = (*chain.from)[(static_cast<size_t>(i) * 7 + 3) % n] + 1;
}

void Phases(int32_t threads, int rounds, bool pauses) {
  std::vector<int64_t> a(100), b(100);
  Crew crew(threads);
  for (int round = 0; round < rounds; round++) {
    const Chain there{&a, &b}, back{&b, &a};
    crew.Run({Step, &there, 100});
    if (pauses && round % 8 == 0) usleep(200);  // longer than helpers spin: they sleep and must be woken
    crew.Run({Step, &back, 100});
    crew.Refill();
  }
  bool all = true;
  for (int64_t x : a) all = all && x == 2 * rounds;
  CHECK(all);
}

void SlowPiece(const void* context, int64_t begin, int64_t end, Worker&) {
  auto* const sum = static_cast<std::atomic<int64_t>*>(const_cast<void*>(context));
  for (int64_t i = begin; i < end; i++) {
    if (i % 16 == 5) usleep(300);  // the leader must sleep too, and be woken by the last piece
    sum->fetch_add(i);
  }
}

void LeaderSleeps() {
  for (int round = 0; round < 20; round++) {
    std::atomic<int64_t> sum{0};
    Crew crew(3);
    crew.Run({SlowPiece, &sum, 32});
    CHECK(sum.load() == 31 * 32 / 2);
  }
}

void ManyCrews() {
  std::vector<std::thread> leaders;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; t++) {
    leaders.emplace_back([&right, t] {
      for (int run = 0; run < 50; run++) {
        std::atomic<int64_t> sum{0};
        const auto add = [](const void* context, int64_t begin, int64_t end, Worker&) {
          for (int64_t i = begin; i < end; i++) static_cast<std::atomic<int64_t>*>(const_cast<void*>(context))->fetch_add(i);
        };
        Crew crew(2 + t % 3);
        for (int phase = 0; phase < 10; phase++) {
          crew.Run({add, &sum, 200});
          crew.Refill();
        }
        if (sum.load() == 10 * 199 * 200 / 2) right++;
      }
    });
  }
  for (std::thread& leader : leaders) leader.join();
  CHECK(right.load() == 200);
}

void BadIndex() {
  const auto report = [](const void*, int64_t begin, int64_t end, Worker& worker) {
    for (int64_t i = begin; i < end; i++) {
      if (i != 77) continue;
      usleep(100);  // so that a helper meets it now and then
      worker.bad_index = 12;
      worker.bad_bound = 10;
    }
  };
  for (int round = 0; round < 20; round++) {
    Crew crew(4);
    crew.Run({report, nullptr, 100});
    CHECK(crew.leader().bad_index == 12 && crew.leader().bad_bound == 10);
    Crew other(4);
    Counts counts{std::vector<int32_t>(50), {}};
    other.Run({Count, &counts, 50});
    CHECK(other.leader().bad_index == -1 && other.leader().bad_bound == -1);
  }
}

void Runners() {
  std::atomic<int> ran{0};
  constexpr int kTasks = 40;
  for (int i = 0; i < kTasks; i++) {
    CHECK(RunOnOwnThread([](void* n) { usleep(500), static_cast<std::atomic<int>*>(n)->fetch_add(1); }, &ran));
    if (i % 10 == 9) usleep(3000);
  }
  for (int i = 0; i < 2000 && ran.load() < kTasks; i++) usleep(1000);
  CHECK(ran.load() == kTasks);
}

// For eyes only: what a phase of two pieces of nothing costs with two threads.
void ForkAndJoin() {
  Crew crew(2);
  const auto nothing = [](const void*, int64_t, int64_t, Worker&) {};
  constexpr int kRounds = 20000;
  for (int i = 0; i < 1000; i++) crew.Run({nothing, nullptr, 2});
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; i++) crew.Run({nothing, nullptr, 2});
  const auto took = std::chrono::steady_clock::now() - start;
  printf("fork and join, 2 threads: %.0f ns\n", std::chrono::duration<double, std::nano>(took).count() / kRounds);
}

}  // namespace
}  // namespace minibatch

int main() {
  using namespace minibatch;
  EveryPieceOnce();
  for (int32_t threads : {2, 3, 6}) {
    Phases(threads, 500, false);
    Phases(threads, 100, true);
  }
  LeaderSleeps();
  ManyCrews();
  BadIndex();
  Runners();
  ForkAndJoin();
  CHECK(HardwareThreads() >= 1);
  return Summary("pool_test");
}
