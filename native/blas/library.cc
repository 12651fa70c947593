// What is asked of a library before it may multiply: the names, and one product that tells the width of its integers.
#include "library.h"

#include <dlfcn.h>
#include <stdint.h>

#include <memory>
#include <mutex>
#include <vector>

namespace minibatch {
namespace {

// Who is known by which function; Accelerate has none (its threads are limited by VECLIB_MAXIMUM_THREADS).
struct Known {
  const char* name;
  const char* set_threads;
  const char* version;  // of a function without arguments that returns text; or nullptr
};
constexpr Known kKnown[] = {
    {"OpenBLAS", "openblas_set_num_threads", "openblas_get_config"},
    {"MKL", "MKL_Set_Num_Threads", nullptr},
    {"BLIS", "bli_thread_set_num_threads", "bli_info_get_version_str"},
};

// What builds with 64-bit integers call cblas_sgemm, where they do not call it so.
constexpr const char* kWideNames[] = {"cblas_sgemm_64", "cblas_sgemm64_", "cblas_sgemm_64_"};

template <typename F>
F Find(void* handle, const char* name) {
  return reinterpret_cast<F>(dlsym(handle, name));
}

// Whether [1 2] [3 4]^T = 11. The depth goes in with ones in the upper half of its register, where a function that takes
// an int does not look: it sees 2. With 64-bit integers it sees a negative number, refuses it and leaves C as it is. (A
// caller compiled for 32-bit integers leaves anything in those halves, so such a library might fail at any later call.)
template <typename T>
bool Multiplies(void* function) {
  using Wide = intptr_t;
  using Probe = void (*)(int, int, int, Wide, Wide, Wide, T, const T*, Wide, const T*, Wide, T, T*, Wide);
  constexpr Wide kTwo = static_cast<Wide>(-(int64_t{1} << 32) + 2);
  const T a[2] = {1, 2}, b[2] = {3, 4};
  T c[1] = {-1};
  reinterpret_cast<Probe>(function)(kBlasRowMajor, kBlasPlain, kBlasPlain, 1, 1, kTwo, 1, a, 2, b, 1, 0, c, 1);
  return c[0] == 11;
}

}  // namespace

void BlasLibrary::UseThreads(int threads) const {
  // These functions are not made to be called by several threads at a time.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  if (set_threads != nullptr) set_threads(threads);
  if (set_openmp_threads != nullptr) set_openmp_threads(threads);
}

const BlasLibrary* LoadBlas(const char* path, std::string* error) {
  const auto refuse = [&](const char* rule, const char* got, const char* detail) {
    error->assign(rule).append(", got \"").append(path).append("\" ").append(got).append(detail);
    return nullptr;
  };
  constexpr const char* kWanted = "must be a shared library with cblas_sgemm and cblas_dgemm";
  constexpr const char* kNarrow = "must be a BLAS built for 32-bit integers";
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return refuse(kWanted, "which does not load: ", dlerror());
  void* const sgemm = dlsym(handle, "cblas_sgemm");
  void* const dgemm = dlsym(handle, "cblas_dgemm");
  if (sgemm == nullptr || dgemm == nullptr) {
    for (const char* wide : kWideNames) {
      if (dlsym(handle, wide) != nullptr) return refuse(kNarrow, "with ", wide);
    }
    return refuse(kWanted, "without ", sgemm == nullptr ? "cblas_sgemm" : "cblas_dgemm");
  }

  auto library = std::make_unique<BlasLibrary>();
  library->sgemm = reinterpret_cast<BlasGemm<float>>(sgemm);
  library->dgemm = reinterpret_cast<BlasGemm<double>>(dgemm);
  for (const Known& known : kKnown) {
    library->set_threads = Find<void (*)(intptr_t)>(handle, known.set_threads);
    if (library->set_threads == nullptr) continue;
    const auto version = known.version ? Find<const char* (*)()>(handle, known.version) : nullptr;
    library->name = version ? version() : "";
    // Only OpenBLAS begins with its own name.
    if (library->name.rfind(known.name, 0) != 0) library->name = std::string(known.name) + " " + library->name;
    break;
  }
  // Of the OpenMP that the library itself brought: dlsym looks in what it depends on, not in the process.
  library->set_openmp_threads = Find<void (*)(int)>(handle, "omp_set_num_threads");
  library->UseThreads(1);
  if (!Multiplies<float>(sgemm) || !Multiplies<double>(dgemm)) {
    return refuse(kNarrow, "whose product of 1x2 and 2x1 is wrong", " (64-bit integers under the usual names?)");
  }
  Dl_info file;
  const std::string at = dladdr(sgemm, &file) != 0 && file.dli_fname != nullptr ? file.dli_fname : path;
  library->name = library->name.empty() ? at : library->name + " (" + at + ")";
  static std::vector<BlasLibrary*>& all = *new std::vector<BlasLibrary*>;  // reachable, so that none counts as lost
  all.push_back(library.release());
  return all.back();
}

}  // namespace minibatch
