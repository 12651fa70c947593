// Checks a Program after it was made: every slice inside its memory, nothing read before it is written, nothing read
// after somebody else wrote over it, no output on top of an input that the op may not overwrite. For tests and debug mode.
import { bytesPerElement } from "../dtype.ts";
import { internal } from "../errors.ts";
import type { Node, Value } from "../ops/define.ts";
import { sizeOf } from "../shape.ts";
import { endOf, type Instruction, overlaps, type Program, type Slice } from "./program.ts";

/** Throws an `internal:` error that names the instruction and the rule it breaks. */
export function verify(program: Program): void {
  const { memories, instructions } = program;
  const where = (i: number) => `instruction ${i} (${(instructions[i] as Instruction).op.name})`;
  /** For each byte range of the arena: who wrote it last. */
  let written: { slice: Slice; by: number }[] = [];
  const arena = memories.findIndex((m) => m.name === "arena");
  instructions.forEach((instruction, i) => {
    for (const slice of [...instruction.inputs, ...instruction.outputs]) {
      const memory = memories[slice.memory];
      if (!memory) throw internal(`${where(i)} names memory ${slice.memory} of ${memories.length}`);
      if (slice.byteOffset < 0 || endOf(slice) > memory.bytes)
        throw internal(`${where(i)} reaches byte ${endOf(slice)} of ${memory.bytes} in ${memory.name}`);
      if (slice.byteOffset % bytesPerElement[slice.dtype] !== 0)
        throw internal(`${where(i)} has a slice at odd offset ${slice.byteOffset}`);
    }
    for (const input of instruction.inputs) {
      if (input.memory !== arena || sizeOf(input.shape) === 0) continue;
      const owners = written.filter((w) => overlaps(w.slice, input));
      const covered = owners.reduce(
        (bytes, w) => bytes + Math.min(endOf(w.slice), endOf(input)) - Math.max(w.slice.byteOffset, input.byteOffset),
        0,
      );
      if (covered < endOf(input) - input.byteOffset)
        throw internal(`${where(i)} reads ${endOf(input) - input.byteOffset} bytes of which ${covered} were written`);
    }
    instruction.outputs.forEach((output, o) => {
      instruction.inputs.forEach((input, j) => {
        if (!overlaps(output, input)) return;
        const same = output.byteOffset === input.byteOffset && endOf(output) === endOf(input);
        if (!same || instruction.op.inPlace?.[o] !== j) throw internal(`${where(i)} writes output ${o} over input ${j}`);
      });
      instruction.outputs.forEach((other, p) => {
        if (p > o && overlaps(output, other)) throw internal(`${where(i)} writes outputs ${o} and ${p} to one place`);
      });
      if (output.memory !== arena) return;
      written = written.filter((w) => !overlaps(w.slice, output));
      written.push({ slice: output, by: i });
    });
    for (const freed of instruction.frees) written = written.filter((w) => !overlaps(w.slice, freed));
  });
  verifyOrder(program);
}

/** Every node of the graph comes after its inputs. */
function verifyOrder({ graph }: Program): void {
  const before = new Set<Node>();
  const check = (v: Value, reader: string) => {
    if (!before.has(v.node)) throw internal(`${reader} comes before its input ${v.node.op?.name ?? "source"}`);
  };
  for (const node of graph.nodes) {
    for (const input of node.inputs) check(input, node.op?.name ?? "a source");
    before.add(node);
  }
  for (const store of graph.stores) check(store.value, `store ${store.memory}.${store.name}`);
}
