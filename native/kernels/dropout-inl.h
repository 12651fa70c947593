// Dropout and its gradient. A draw is 16 bits of Philox (philox-inl.h) at a counter that follows from the element's place, so
// masks do not depend on threads or vectors; src/ops/dropout.ts defines them.
// A group of 512 elements takes 64 counters; 64 neighbours take the same 16 bits of the outputs of 64 neighbouring counters.

constexpr int64_t kDropoutGroup = 512;
constexpr int64_t kGroupBytes = kDropoutGroup / 8;
constexpr int64_t kGroupsPerPiece = 16;
constexpr uint32_t kDropoutPurpose = 1;  // src/random.ts: purposes

// Draws below this are kept, of 65536.
static inline uint32_t DropoutThreshold(double keep) {
  const double threshold = keep * 65536.0 + 0.5;
  if (!(threshold >= 1.0)) return 0;  // NaN too
  return threshold >= 65536.0 ? 65536u : static_cast<uint32_t>(threshold);
}
template <typename T> static inline T DropoutScale(uint32_t threshold) {
  return threshold == 0 ? T(0) : static_cast<T>(65536.0 / static_cast<double>(threshold));
}

// The mask of one group: bit i % 8 of byte i / 8 says whether element i is kept.
MB_INLINE void GroupMask(int64_t group, const PhiloxKey& key, uint32_t threshold, uint8_t* mask) {
  for (int b = 0; b < 4; b++) {
    const uint64_t block = static_cast<uint64_t>(group) * 64 + static_cast<uint64_t>(b) * 16;
    const PhiloxWords even = Philox(IotaU64(block, 2), key, kDropoutPurpose), odd = Philox(IotaU64(block + 1, 2), key, kDropoutPurpose);
    const U32x16 words[4] = {Interleave(even.x0, odd.x0), Interleave(even.x1, odd.x1), Interleave(even.x2, odd.x2), Interleave(even.x3, odd.x3)};
#pragma GCC unroll 4
    for (int w = 0; w < 4; w++) {
      uint32_t below_low, below_high;
      HalvesBelow(words[w], threshold, &below_low, &below_high);
      const uint16_t low = static_cast<uint16_t>(below_low), high = static_cast<uint16_t>(below_high);
      __builtin_memcpy(mask + (2 * w) * 8 + b * 2, &low, 2);
      __builtin_memcpy(mask + (2 * w + 1) * 8 + b * 2, &high, 2);
    }
  }
}

template <typename T> MB_INLINE Mask<T> MaskAt(const uint8_t* mask, int64_t i) {
  if constexpr (sizeof(T) == 4) {
    uint16_t bits;
    __builtin_memcpy(&bits, mask + i / 8, 2);
    return MaskFromBits<T>(bits);
  } else {
    return MaskFromBits<T>(mask[i / 8]);
  }
}

static int64_t MaskBytes(int64_t size) { return size / 8 + (size % 8 != 0); }
static int64_t GroupCount(const Call& call) { return (call.out[0].size + kDropoutGroup - 1) / kDropoutGroup; }
static int64_t DropoutPieces(const Call& call, int32_t) { return CountPieces(GroupCount(call), kGroupsPerPiece); }

static const char* CheckDropout(const Call& call) {
  if (call.inputs != 3 || call.outputs != 2 || call.attribute_count != 1) return "takes x, keep and key, gives y and a mask";
  const Slice &x = call.in[0], &keep = call.in[1], &key = call.in[2], &y = call.out[0], &mask = call.out[1];
  if (!IsFloatType(x.dtype)) return kUnsupported;
  if (keep.dtype != x.dtype || keep.size != 1) return "keep must be one number of the dtype of x";
  if (key.dtype != DType::kI32 || !IsVector(key, 3)) return "key must be i32 [3]";
  if (y.dtype != x.dtype || !SameShape(x, y)) return "y must be like x";
  if (mask.dtype != DType::kU8 || !IsVector(mask, MaskBytes(x.size))) return "mask must be u8 with a bit per element";
  return IsWholeIn(call.attributes[0], 0, UINT32_MAX) ? nullptr : "site must be a whole number";
}
template <typename T> struct DropoutLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Span groups = ItemsOf(GroupCount(call), kGroupsPerPiece, begin, end);
    const int64_t size = call.out[0].size;
    const uint32_t threshold = DropoutThreshold(static_cast<double>(*In<T>(call, 1)));
    const PhiloxKey key = MakePhiloxKey(In<int32_t>(call, 2), static_cast<uint32_t>(static_cast<int64_t>(call.attributes[0])));
    const Vec<T> scale = Set<T>(DropoutScale<T>(threshold));
    constexpr int kLanes = Vec<T>::kLanes;
    alignas(64) uint8_t bits[kGroupBytes];
    if (threshold == 65536u) __builtin_memset(bits, 0xff, sizeof(bits));
    for (int64_t group = groups.begin; group < groups.end; group++) {
      const int64_t first = group * kDropoutGroup, count = size - first < kDropoutGroup ? size - first : kDropoutGroup;
      const T* x = In<T>(call, 0) + first;
      T* y = Out<T>(call, 0) + first;
      if (threshold < 65536u) GroupMask(group, key, threshold, bits);
      int64_t i = 0;
      for (; i + kLanes <= count; i += kLanes) Store(y + i, SelectOrZero(MaskAt<T>(bits, i), Mul(Load(x + i), scale)));
      if (i < count) {
        const int lanes = static_cast<int>(count - i);
        StorePartial(y + i, SelectOrZero(MaskAt<T>(bits, i), Mul(LoadPartial(x + i, lanes), scale)), lanes);
      }
      if (count % 8 != 0) bits[count / 8] &= static_cast<uint8_t>((1u << (count % 8)) - 1u);  // only in the last group
      __builtin_memcpy(Out<uint8_t>(call, 1) + first / 8, bits, static_cast<size_t>(MaskBytes(count)));
    }
  }
};

static const char* CheckDropoutGradient(const Call& call) {
  if (call.inputs != 3 || call.outputs != 1 || call.attribute_count != 0) return "takes dy, a mask and keep";
  const Slice &dy = call.in[0], &mask = call.in[1], &keep = call.in[2];
  if (!IsFloatType(dy.dtype)) return kUnsupported;
  if (keep.dtype != dy.dtype || keep.size != 1) return "keep must be one number of the dtype of dy";
  if (mask.dtype != DType::kU8 || !IsVector(mask, MaskBytes(dy.size))) return "mask must be u8 with a bit per element";
  return call.out[0].dtype == dy.dtype && SameShape(call.out[0], dy) ? nullptr : "the result must be like dy";
}
static int64_t DropoutGradientPieces(const Call& call, int32_t) { return CountPieces(call.out[0].size, kPieceElements); }
template <typename T> struct DropoutGradientLoop {
  static void Run(const Call& call, int32_t, int64_t begin, int64_t end, Worker&) {
    const Span span = ItemsOf(call.out[0].size, kPieceElements, begin, end);
    const Vec<T> scale = Set<T>(DropoutScale<T>(DropoutThreshold(static_cast<double>(*In<T>(call, 2)))));
    const T* dy = In<T>(call, 0);
    const uint8_t* mask = In<uint8_t>(call, 1);
    T* dx = Out<T>(call, 0);
    constexpr int kLanes = Vec<T>::kLanes;
    int64_t i = span.begin;
    for (; i + kLanes <= span.end; i += kLanes) Store(dx + i, SelectOrZero(MaskAt<T>(mask, i), Mul(Load(dy + i), scale)));
    if (i < span.end) {
      const int lanes = static_cast<int>(span.end - i);
      uint8_t bits[2] = {mask[i / 8], lanes > 8 ? mask[i / 8 + 1] : uint8_t{0}};
      StorePartial(dx + i, SelectOrZero(MaskAt<T>(bits, 0), Mul(LoadPartial(dy + i, lanes), scale)), lanes);
    }
  }
};

static const Kernel kDropoutKernels[] = {
    {"dropout", CheckDropout, nullptr, nullptr, DropoutPieces, RunFloat<DropoutLoop>},
    {"dropoutGradient", CheckDropoutGradient, nullptr, nullptr, DropoutGradientPieces, RunFloat<DropoutGradientLoop>},
};
