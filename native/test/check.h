// The whole test framework: a check that counts and reports, and the exit status at the end.
#pragma once

#include <stdio.h>

#include <string>

inline int failures = 0;
inline int checks = 0;

#define CHECK(condition)                                             \
  do {                                                               \
    checks++;                                                        \
    if (!(condition)) {                                              \
      failures++;                                                    \
      printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                \
  } while (0)

#define CHECK_TEXT(actual, expected)                                                                       \
  do {                                                                                                     \
    const std::string actual_text = (actual);                                                              \
    checks++;                                                                                              \
    if (actual_text != (expected)) {                                                                       \
      failures++;                                                                                          \
      printf("%s:%d: expected \"%s\", got \"%s\"\n", __FILE__, __LINE__, (expected), actual_text.c_str()); \
    }                                                                                                      \
  } while (0)

inline int Summary(const char* name) {
  printf("%s: %d checks, %d failed\n", name, checks, failures);
  return failures == 0 ? 0 : 1;
}
