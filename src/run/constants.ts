// The constant memory of a program: written once when it is loaded, shared by all its runs.

import { dtypeOf } from "../dtype.ts";
import type { Program } from "../graph/program.ts";
import { allocate, view } from "./memory.ts";

export function constantBytes(program: Program): Uint8Array {
  const memory = program.memories.find((m) => m.name === "constant");
  const bytes = allocate(memory?.bytes ?? 0);
  for (const { byteOffset, data } of program.constants) view(bytes, dtypeOf(data), byteOffset, data.length).set(data);
  return bytes;
}
