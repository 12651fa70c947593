// Whether a phase is faster with helpers or without is found while it runs: it depends on the size of the work, on how far the
// processors' caches are from each other, and on who else uses the machine. Results do not depend on the choice.
#pragma once

#include <stdint.h>

namespace minibatch {

// One phase's choice. Used by one thread at a time.
class Pace {
 public:
  enum Way : uint8_t { kTogether = 0, kAlone = 1 };
  struct Turn {
    Way way;
    bool timed;  // tell `Took` how long it was
  };

  // How to run the phase this time.
  Turn Next() {
    runs_++;
    // The first times find cold caches and helpers still asleep.
    if (runs_ <= kCold) return {kTogether, false};
    if (runs_ <= kCold + kTrials) return {kTogether, true};
    if (time_[kTogether] > kLong) return {kTogether, false};
    if (runs_ <= kCold + 2 * kTrials) return {kAlone, true};
    if (--until_look_ > 0) return {best_, until_look_ % kSample == 0};
    // A look at the other way. Together begins one run earlier: helpers may have to be woken.
    if (best_ == kAlone && until_look_ == 0) return {kTogether, false};
    until_look_ = Lopsided() ? kRareLook : kLook;
    return {best_ == kAlone ? kTogether : kAlone, true};
  }

  void Took(Way way, float nanoseconds) {
    float& time = time_[way];
    if (time == 0 || runs_ <= kCold + 2 * kTrials) {
      // Of the first times the least: whatever disturbed the others says nothing of the ways.
      time = time == 0 || nanoseconds < time ? nanoseconds : time;
    } else {
      // Then a mean over the last ones, as a helper that is often taken off its processor has to count; one that was taken off
      // once, for milliseconds, must not count for ever.
      const float most = kOutlier * time;
      time += ((nanoseconds < most ? nanoseconds : most) - time) * kWeight;
    }
    // In doubt alone, which leaves the other processors to others.
    best_ = time_[kAlone] == 0 || time_[kTogether] < kGain * time_[kAlone] ? kTogether : kAlone;
  }

 private:
  static constexpr int32_t kCold = 2, kTrials = 4, kSample = 8, kLook = 128, kRareLook = 512;
  static constexpr float kWeight = 0.25f, kGain = 0.95f, kOutlier = 4;
  // Two milliseconds: so long a phase pays in any case, and a look at the other way would be felt.
  static constexpr float kLong = 2e6f;

  bool Lopsided() const {
    const float a = time_[kTogether], b = time_[kAlone];
    return a > 1.5f * b || b > 1.5f * a;
  }

  float time_[2] = {0, 0};
  int32_t runs_ = 0;
  int32_t until_look_ = kLook;
  Way best_ = kTogether;
};

}  // namespace minibatch
