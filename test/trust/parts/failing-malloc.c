// A library to be preloaded: the n-th allocation that minibatch.node asks for (itself, or through operator new) fails. Armed from JavaScript by
// process.env.MINIBATCH_FAIL_AT = n, which ends in setenv; process.env.MINIBATCH_FAILED tells how many have failed. Linux, glibc.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void* __libc_malloc(size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static long countdown, failed;
// Where a library lies.
struct Range {
  const char* name;
  char *low, *high;
};
static struct Range addon = {"minibatch.node", NULL, NULL}, standard = {"libstdc++.so", NULL, NULL};
static int lies_in(const struct Range* range, void* at) { return (char*)at >= range->low && (char*)at < range->high; }
static __thread int inside;

static int find(struct dl_phdr_info* info, size_t size, void* unused) {
  (void)size;
  (void)unused;
  struct Range* range = strstr(info->dlpi_name, addon.name) != NULL ? &addon : strstr(info->dlpi_name, standard.name) != NULL ? &standard : NULL;
  if (range == NULL) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    char* begin = (char*)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    char* end = begin + info->dlpi_phdr[i].p_memsz;
    if (range->low == NULL || begin < range->low) range->low = begin;
    if (end > range->high) range->high = end;
  }
  return 0;
}

// Whether the addon asks, itself or through the standard library. What Node's functions take while they serve it is Node's: they are
// compiled without exceptions and do not survive one.
static int fails(void) {
  if (__atomic_load_n(&countdown, __ATOMIC_SEQ_CST) <= 0 || inside) return 0;
  inside = 1;
  void* frames[8];
  const int depth = backtrace(frames, 8);
  inside = 0;
  // Frame 0 is this function, inlined into the allocator or not.
  int at = 0;
  while (at < depth && !lies_in(&addon, frames[at]) && (at < 2 || lies_in(&standard, frames[at]))) at++;
  if (at >= depth || !lies_in(&addon, frames[at]) || __atomic_sub_fetch(&countdown, 1, __ATOMIC_SEQ_CST) != 0) return 0;
  __atomic_add_fetch(&failed, 1, __ATOMIC_SEQ_CST);
  return 1;
}

__attribute__((constructor)) static void warm(void) {
  void* frames[2];
  backtrace(frames, 2);
}

void* malloc(size_t size) {
  if (fails()) {
    errno = ENOMEM;
    return NULL;
  }
  return __libc_malloc(size);
}

int posix_memalign(void** out, size_t alignment, size_t size) {
  if (fails()) return ENOMEM;
  *out = __libc_memalign(alignment, size);
  return *out == NULL ? ENOMEM : 0;
}

void* aligned_alloc(size_t alignment, size_t size) {
  if (fails()) {
    errno = ENOMEM;
    return NULL;
  }
  return __libc_memalign(alignment, size);
}

int setenv(const char* name, const char* value, int overwrite) {
  if (strcmp(name, "MINIBATCH_FAIL_AT") == 0) {
    if (addon.low == NULL) dl_iterate_phdr(find, NULL);
    __atomic_store_n(&countdown, atol(value), __ATOMIC_SEQ_CST);
    return 0;
  }
  static int (*next)(const char*, const char*, int);
  if (next == NULL) next = (int (*)(const char*, const char*, int))dlsym(RTLD_NEXT, "setenv");
  return next(name, value, overwrite);
}

char* getenv(const char* name) {
  static char text[32];
  if (strcmp(name, "MINIBATCH_FAILED") == 0) {
    snprintf(text, sizeof(text), "%ld", __atomic_load_n(&failed, __ATOMIC_SEQ_CST));
    return text;
  }
  static char* (*next)(const char*);
  if (next == NULL) next = (char* (*)(const char*))dlsym(RTLD_NEXT, "getenv");
  return next(name);
}
