// Pieces are claimed by a compare-and-swap on one number, how many are left, so a helper that wakes late finds nothing
// and harms nothing, and the leader waits for pieces and never for threads.
// Everything lives on the heap and is never destroyed: at process exit the threads may still be asleep or at work.
#include "pool.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "memory.h"

namespace minibatch {
namespace {

// Waking a sleeping thread takes 30 to 50 us and a system call of the waker. Between two parallel phases of a training
// step one thread works alone for up to 100 us (batch norm, dropout, their gradients); 40 us here cost 7 % of such a
// step. Spinning much longer would only take the processor from the event loop.
constexpr auto kSpin = std::chrono::microseconds(200);
// The clock costs as much as a pause: it is read once in so many.
constexpr int kPausesPerLook = 32;
// Runners kept asleep between runs; more exist only while more runs are at work.
constexpr size_t kRestingRunners = 4;

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until done() or the time is over; the last value of done().
template <typename Condition>
bool Spin(Condition done) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < kPausesPerLook; i++) {
      if (done()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

// Keeps this library in memory for ever: a Node worker that ends unloads the addons it was the last to use, and the
// threads below would then run unmapped code.
void StayLoaded() {
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&StayLoaded), &self) == 0 || self.dli_fname == nullptr) return;
  dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);  // fails for a plain executable, which stays anyway
}

// A detached thread that gets no signals: those are for threads that know handlers.
bool MakeThread(void* (*entry)(void*), void* argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const bool made = pthread_create(&thread, nullptr, entry, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (made) pthread_detach(thread);
  return made;
}

void NameThread([[maybe_unused]] const char* name) {
#ifdef __linux__
  pthread_setname_np(pthread_self(), name);
#endif
}

char* NewScratch() {
  void* memory = nullptr;
  return posix_memalign(&memory, 64, kWorkerScratch) == 0 ? static_cast<char*>(memory) : nullptr;
}

void ForgetBadIndex(Worker& worker) { worker.bad_index = worker.bad_bound = -1; }

struct Helper {
  Worker worker;
  std::atomic<Crew::Shared*> crew{nullptr};  // what it was leased to; set by the leader, cleared by the helper
  std::mutex mutex;
  std::condition_variable wake;
};

struct Runner {
  void (*task)(void*);
  void* argument;
  std::condition_variable wake;  // with the pool's mutex
};

struct Pool {
  std::mutex mutex;
  std::vector<Helper*> idle;
  std::atomic<int32_t> idle_count{0};  // idle.size(), to look at without the mutex
  int32_t helpers = 0;                 // all, idle or leased
  std::vector<Runner*> resting;
  std::vector<char*> scratch;  // of leaders that have gone

  static Pool& Get() {
    static Pool* const pool = [] {
      StayLoaded();
      Pool* made = new Pool;
      made->resting.reserve(kRestingRunners);
      return made;
    }();
    return *pool;
  }
};

}  // namespace

// Heap-allocated and counted, so that neither leader nor helpers wait for the other to let go of it.
struct Crew::Shared {
  explicit Shared(int32_t threads_in) : threads(threads_in) {}

  alignas(64) std::atomic<int64_t> left{0};  // pieces nobody has claimed yet
  alignas(64) std::atomic<int64_t> done{0};  // pieces that have ended
  std::atomic<bool> leader_sleeps{false};
  std::atomic<bool> bad{false};  // the first reporter also writes the two below
  int64_t bad_index = -1;
  int64_t bad_bound = -1;
  // Written by the leader before `left`, read by whoever has claimed a piece: stable until that piece has ended.
  alignas(64) Work work{};
  const int32_t threads;
  std::atomic<bool> closed{false};
  std::atomic<int32_t> sleepers{0};
  std::atomic<int32_t> users{1};
  std::mutex mutex;
  std::condition_variable wake;  // of helpers
  std::condition_variable leader_wake;

  // Runs some of the pieces that are left; how many, 0 when none was left.
  // Half of an equal share at a time: few calls while much is left, single pieces at the end, so that a helper that is
  // late or interrupted holds up little.
  int64_t RunSome(Worker& worker, int64_t* total) {
    int64_t now = left.load(std::memory_order_acquire);
    int64_t take = 0;
    do {
      if (now <= 0) return 0;
      take = now / (2 * threads);
      if (take < 1) take = 1;
    } while (!left.compare_exchange_weak(now, now - take, std::memory_order_acq_rel, std::memory_order_acquire));
    const int64_t begin = work.pieces - now;
    *total = work.pieces;
    work.run(work.context, begin, begin + take, worker);
    return take;
  }

  void Help(Worker& worker) {
    for (;;) {
      int64_t total = 0;
      const int64_t ran = RunSome(worker, &total);
      if (ran > 0) {
        if (worker.bad_index >= 0 || worker.bad_bound >= 0) {
          if (!bad.exchange(true, std::memory_order_acq_rel)) {
            bad_index = worker.bad_index;
            bad_bound = worker.bad_bound;
          }
          ForgetBadIndex(worker);
        }
        // Sequentially consistent, as are the sleeper's: either it sees this, or we see it asleep.
        if (done.fetch_add(ran) + ran == total && leader_sleeps.load()) {
          { std::lock_guard<std::mutex> lock(mutex); }
          leader_wake.notify_one();
        }
        continue;
      }
      const auto called = [this] { return left.load() > 0 || closed.load(); };
      if (!Spin(called)) {
        std::unique_lock<std::mutex> lock(mutex);
        sleepers.fetch_add(1);
        while (!called()) wake.wait(lock);
        sleepers.fetch_sub(1);
      }
      if (closed.load()) return;
    }
  }

  void WakeHelpers() {
    if (sleepers.load() == 0) return;
    { std::lock_guard<std::mutex> lock(mutex); }
    wake.notify_all();
  }

  void Drop() {
    if (users.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
};

namespace {

void* HelperMain(void* argument) {
  NameThread("minibatch-help");
  Helper& helper = *static_cast<Helper*>(argument);
  Pool& pool = Pool::Get();
  for (;;) {
    const auto leased = [&helper] { return helper.crew.load(std::memory_order_acquire) != nullptr; };
    if (!Spin(leased)) {
      std::unique_lock<std::mutex> lock(helper.mutex);
      while (!leased()) helper.wake.wait(lock);
    }
    Crew::Shared* crew = helper.crew.load(std::memory_order_acquire);
    crew->Help(helper.worker);
    crew->Drop();
    helper.crew.store(nullptr, std::memory_order_release);
    std::lock_guard<std::mutex> lock(pool.mutex);
    pool.idle.push_back(&helper);
    pool.idle_count.store(static_cast<int32_t>(pool.idle.size()), std::memory_order_relaxed);
  }
}

// With the pool's mutex held. False where there is no memory or no thread.
bool AddHelper(Pool& pool) {
  // A helper that rests must find its place, whatever has become of memory by then.
  const bool room = OrNoMemory(
      [&] {
        pool.idle.reserve(static_cast<size_t>(pool.helpers) + 1);
        return true;
      },
      [] { return false; });
  char* scratch = room ? NewScratch() : nullptr;
  if (scratch == nullptr) return false;
  Helper* helper = new (std::nothrow) Helper;
  if (helper == nullptr) {
    free(scratch);
    return false;
  }
  helper->worker = {scratch, -1, -1};
  if (!MakeThread(HelperMain, helper)) {
    free(scratch);
    delete helper;
    return false;
  }
  pool.helpers++;
  pool.idle.push_back(helper);
  return true;
}

void* RunnerMain(void* argument) {
  NameThread("minibatch-run");
  Runner* runner = static_cast<Runner*>(argument);
  Pool& pool = Pool::Get();
  for (;;) {
    runner->task(runner->argument);
    std::unique_lock<std::mutex> lock(pool.mutex);
    if (pool.resting.size() >= kRestingRunners) break;
    runner->task = nullptr;
    pool.resting.push_back(runner);  // there is room: see Get
    while (runner->task == nullptr) runner->wake.wait(lock);
  }
  delete runner;
  return nullptr;
}

}  // namespace

Crew::Crew(int32_t threads) : threads_(threads < 1 ? 1 : threads > kMaxThreads ? kMaxThreads : threads), leader_{nullptr, -1, -1} {
  Pool& pool = Pool::Get();
  {
    std::lock_guard<std::mutex> lock(pool.mutex);
    if (!pool.scratch.empty()) {
      leader_.scratch = pool.scratch.back();
      pool.scratch.pop_back();
    }
  }
  if (leader_.scratch == nullptr) leader_.scratch = NewScratch();
}

Crew::~Crew() {
  if (shared_ != nullptr) {
    shared_->closed.store(true);
    shared_->WakeHelpers();
    shared_->Drop();
  }
  if (leader_.scratch == nullptr) return;
  Pool& pool = Pool::Get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  const bool kept = OrNoMemory(
      [&] {
        pool.scratch.push_back(leader_.scratch);
        return true;
      },
      [] { return false; });
  if (!kept) free(leader_.scratch);
}

void Crew::Lease() {
  Pool& pool = Pool::Get();
  const int32_t wanted = threads_ - 1;
  if (shared_ == nullptr) {
    shared_ = new (std::nothrow) Shared(threads_);
    if (shared_ == nullptr) return;
  } else if (pool.idle_count.load(std::memory_order_relaxed) == 0) {
    return;
  }
  std::lock_guard<std::mutex> lock(pool.mutex);
  // The pool grows to what the largest crew asks for, never to the sum of crews: two runs share the processors.
  while (pool.helpers < wanted && AddHelper(pool)) {
  }
  while (helpers_ < wanted && !pool.idle.empty()) {
    Helper* helper = pool.idle.back();
    pool.idle.pop_back();
    shared_->users.fetch_add(1, std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> own(helper->mutex);
      helper->crew.store(shared_, std::memory_order_release);
    }
    helper->wake.notify_one();
    helpers_++;
  }
  pool.idle_count.store(static_cast<int32_t>(pool.idle.size()), std::memory_order_relaxed);
}

void Crew::Run(const Work& work) {
  if (work.pieces <= 0) return;
  if (threads_ > 1 && work.pieces > 1 && shared_ == nullptr) Lease();
  if (helpers_ == 0 || work.pieces == 1) {
    work.run(work.context, 0, work.pieces, leader_);
    return;
  }
  Shared& shared = *shared_;
  shared.work = work;
  shared.done.store(0, std::memory_order_relaxed);
  shared.left.store(work.pieces);
  shared.WakeHelpers();
  int64_t total = 0;
  while (const int64_t ran = shared.RunSome(leader_, &total)) shared.done.fetch_add(ran, std::memory_order_acq_rel);
  const auto complete = [&] { return shared.done.load() == work.pieces; };
  if (!Spin(complete)) {
    std::unique_lock<std::mutex> lock(shared.mutex);
    shared.leader_sleeps.store(true);
    while (!complete()) shared.leader_wake.wait(lock);
    shared.leader_sleeps.store(false);
  }
  if (shared.bad.load(std::memory_order_acquire)) {
    leader_.bad_index = shared.bad_index;
    leader_.bad_bound = shared.bad_bound;
    shared.bad.store(false, std::memory_order_relaxed);
  }
}

bool RunOnOwnThread(void (*task)(void*), void* argument) {
  Pool& pool = Pool::Get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  if (!pool.resting.empty()) {
    Runner* runner = pool.resting.back();
    pool.resting.pop_back();
    runner->argument = argument;
    runner->task = task;
    runner->wake.notify_one();
    return true;
  }
  Runner* runner = new (std::nothrow) Runner{task, argument, {}};
  if (runner == nullptr) return false;
  if (MakeThread(RunnerMain, runner)) return true;
  delete runner;
  return false;
}

int32_t HardwareThreads() {
  int32_t count = 0;
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = CPU_COUNT(&set);
#endif
  if (count < 1) count = static_cast<int32_t>(std::thread::hardware_concurrency());
  return count < 1 ? 1 : count > kMaxThreads ? kMaxThreads : count;
}

}  // namespace minibatch
