// The process's threads: helpers that run pieces of work beside a leader, and runners that lead whole runs.
// All are made when first needed and never end; they know nothing of programs, kernels' meaning or JavaScript.
#pragma once

#include <stdint.h>

#include "kernel.h"

namespace minibatch {

constexpr int32_t kMaxThreads = 256;

// Pieces that any thread may run, in any order and grouping.
struct Work {
  void (*run)(const void* context, int64_t begin, int64_t end, Worker& worker);
  const void* context;
  int64_t pieces;
};

// The threads of one run: the caller, who leads, and up to threads - 1 helpers leased from the pool. Helpers are asked
// for at the first work of several pieces, stay until the crew is destroyed, and a crew that gets none works alone.
// A crew belongs to the thread that made it.
class Crew {
 public:
  explicit Crew(int32_t threads);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // False when there was no memory for the leader's scratch: then only the destructor may be called.
  bool ok() const { return leader_.scratch != nullptr; }
  Worker& leader() { return leader_; }
  int32_t helpers() const { return helpers_; }

  // Runs all pieces and returns when the last one has ended. What a helper reports as a bad index is then the leader's.
  void Run(const Work& work);

  // Leases helpers that were busy before; cheap when there are none. For the boundaries of steps.
  void Refill() {
    if (shared_ != nullptr && helpers_ < threads_ - 1) Lease();
  }

  struct Shared;  // what leader and helpers both touch

 private:
  void Lease();

  const int32_t threads_;
  int32_t helpers_ = 0;
  Shared* shared_ = nullptr;
  Worker leader_;
};

// Calls task(argument) on a thread of its own, a resting one if there is one. False when no thread could be made.
bool RunOnOwnThread(void (*task)(void*), void* argument);

// How many threads the process may run at once, as its affinity mask says.
int32_t HardwareThreads();

}  // namespace minibatch
