// The table of an instruction set's kernels, from those of the families. Included inside the same namespace but outside
// the target region: what fills it runs when the library is loaded, on any processor.

template <int... kCounts> struct KernelList {
  static constexpr int kCount = (kCounts + ...);
  Kernel kernels[kCount];
  explicit KernelList(const Kernel (&... families)[kCounts]) {
    int n = 0;
    const auto add = [&](const Kernel* family, int count) {
      for (int i = 0; i < count; i++) kernels[n++] = family[i];
    };
    (add(families, kCounts), ...);
  }
};
template <int... kCounts> KernelList(const Kernel (&... families)[kCounts]) -> KernelList<kCounts...>;

static const KernelList kAllKernels(kElementwiseKernels, kReduceKernels, kMovementKernels, kIndexingKernels, kNormalizationKernels, kLayerNormKernels,
                                    kLossKernels, kDropoutKernels, kImageKernels, kSamplingKernels, kOptimizerKernels
#ifdef MB_HAS_GEMM
                                    , kGemmKernels
#endif
);

extern const KernelTable kTable;  // for dispatch.cc
#define MB_TEXT_OF(x) #x
#define MB_TEXT(x) MB_TEXT_OF(x)
const KernelTable kTable = {MB_TEXT(MB_ISA), kAllKernels.kernels, decltype(kAllKernels)::kCount, &kProbes};
