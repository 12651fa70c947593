// A 4 x 4 tile of 32-bit elements turned over in registers of 16 bytes, which every machine has. Knows no op.

using Word4 = uint32_t __attribute__((vector_size(16)));

#if defined(__clang__)
#define MB_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define MB_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, Word4{i, j, k, l})
#endif

MB_INLINE Word4 LoadWords(const uint32_t* p) {
  Word4 v;
  __builtin_memcpy(&v, p, 16);
  return v;
}
MB_INLINE void StoreWords(uint32_t* p, Word4 v) { __builtin_memcpy(p, &v, 16); }

// to[j * to_stride + i] = from[i * from_stride + j] for i, j below 4.
MB_INLINE void TurnTile(const uint32_t* from, int64_t from_stride, uint32_t* to, int64_t to_stride) {
  const Word4 a = LoadWords(from), b = LoadWords(from + from_stride), c = LoadWords(from + 2 * from_stride), d = LoadWords(from + 3 * from_stride);
  const Word4 ab_low = MB_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = MB_SHUFFLE(a, b, 2, 6, 3, 7);
  const Word4 cd_low = MB_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = MB_SHUFFLE(c, d, 2, 6, 3, 7);
  StoreWords(to, MB_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5));
  StoreWords(to + to_stride, MB_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7));
  StoreWords(to + 2 * to_stride, MB_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5));
  StoreWords(to + 3 * to_stride, MB_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7));
}
#undef MB_SHUFFLE
