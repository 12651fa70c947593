# The build that users get: node-gyp, one target, no -m flags (kernels carry their own target regions).
# Developers' builds (tests, sanitizers, other machines) are CMakeLists.txt's; both list the same sources.
{
  "variables": {
    "cxxstd%": "c++20",
    "werror%": "",
    "sanitize%": "",
  },
  "target_defaults": {
    "cflags!": ["-fno-omit-frame-pointer"],
    "cflags": ["-O3"],
    "cflags_cc!": ["-fno-exceptions", "-std=gnu++14", "-std=gnu++17", "-std=gnu++20", "-fno-omit-frame-pointer"],
    "cflags_cc": [
      "-std=<(cxxstd)",
      "-ffp-contract=off",
      "-fvisibility=hidden",
      # Ours throws none; std::bad_alloc is caught where JavaScript or a thread calls (native/memory.h).
      "-fexceptions",
      "-fno-rtti",
      "-Wall",
      "-Wextra",
    ],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "<(cxxstd)",
      "CLANG_CXX_LIBRARY": "libc++",
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "GCC_ENABLE_CPP_RTTI": "NO",
      "GCC_OPTIMIZATION_LEVEL": "3",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CPLUSPLUSFLAGS": ["-ffp-contract=off"],
    },
    "conditions": [
      ["werror!=''", {"cflags_cc": ["-Werror"]}],
      ["sanitize!=''", {
        "cflags": ["-fsanitize=<(sanitize)", "-g", "-O1"],
        "ldflags": ["-fsanitize=<(sanitize)"],
      }],
    ],
  },
  "targets": [
    {
      "target_name": "minibatch",
      "sources": [
        "native/addon.cc",
        "native/blas/kernels.cc",
        "native/blas/library.cc",
        "native/dispatch.cc",
        "native/roofline.cc",
        "native/pool.cc",
        "native/program.cc",
        "native/target/scalar.cc",
      ],
      "include_dirs": ["native", "<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=9",
        "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "MINIBATCH_VERSION=\"<!(node -p \"require('./package.json').version\")\"",
      ],
      "libraries": ["-lpthread", "-ldl"],
      "conditions": [
        ["target_arch=='x64'", {"sources": ["native/target/avx2.cc", "native/target/avx512.cc"]}],
        ["target_arch=='arm64'", {"sources": ["native/target/neon.cc"]}],
      ],
    },
  ],
}
