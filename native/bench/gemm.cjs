// `npm run bench:gemm -- ARGUMENTS`: builds native/bench/gemm_bench.cc with CMake, without Node's headers, and runs it.
"use strict";
const { spawnSync } = require("node:child_process");
const path = require("node:path");

const root = path.resolve(__dirname, "..", "..");

function fail(message, output = "") {
  if (output) console.error(output.trimEnd());
  console.error(`bench:gemm: ${message}`);
  process.exit(1);
}

function cmake(...args) {
  const { error, status, stdout, stderr } = spawnSync("cmake", args, { cwd: root, encoding: "utf8" });
  if (error?.code === "ENOENT")
    fail("needs CMake 3.23 or newer and a C++20 compiler, got no cmake (on Debian: apt-get install cmake g++ make)");
  if (error) fail(error.message);
  const output = `${stdout}${stderr}`;
  if (/No CMAKE_CXX_COMPILER could be found/.test(output)) fail("needs a C++20 compiler, and CMake found none", output);
  if (/CMAKE_MAKE_PROGRAM is not set/.test(output)) fail("needs make, and CMake found none", output);
  if (status !== 0) fail(`cmake ${args.join(" ")} failed`, output);
}

console.error("bench:gemm: building (about a minute the first time)");
cmake("--preset", "bench");
cmake("--build", "--preset", "bench");
const { error, status } = spawnSync(path.join(root, "build", "cmake-bench", "gemm_bench"), process.argv.slice(2), { stdio: "inherit" });
if (error) fail(error.message);
process.exitCode = status ?? 1;
