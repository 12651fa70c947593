// Random words by counter: Philox 4x32 with 10 rounds (Salmon et al., SC 2011), eight counters at a time. The same words as
// src/random.ts. Knows no op.

struct PhiloxKey {
  uint32_t low[10], high[10];  // of the ten rounds
  uint32_t second, third;      // words of the counter: which user or row, which step
};
// key: seed low, seed high, step.
static inline PhiloxKey MakePhiloxKey(const int32_t* key, uint32_t second) {
  PhiloxKey k{};
  uint32_t low = static_cast<uint32_t>(key[0]), high = static_cast<uint32_t>(key[1]);
  for (int round = 0; round < 10; round++) {
    k.low[round] = low;
    k.high[round] = high;
    low += 0x9e3779b9u;
    high += 0xbb67ae85u;
  }
  k.second = second;
  k.third = static_cast<uint32_t>(key[2]);
  return k;
}

struct PhiloxWords {
  U64x8 x0, x1, x2, x3;  // only the low halves of lanes count
};
// Counters (block, second, third, purpose).
MB_INLINE PhiloxWords Philox(U64x8 block, const PhiloxKey& key, uint32_t purpose) {
  const U64x8 m0 = SetU64(0xd2511f53u), m1 = SetU64(0xcd9e8d57u);
  // The first rounds' constant products leave the loop over counters.
  PhiloxWords w{block, SetU64(key.second), SetU64(key.third), SetU64(purpose)};
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
    const U64x8 p0 = MulLow32(w.x0, m0), p1 = MulLow32(w.x2, m1);
    w = {Xor3(HighHalf(p1), w.x1, SetU64(key.low[round])), p1, Xor3(HighHalf(p0), w.x3, SetU64(key.high[round])), p0};
  }
  return w;
}
