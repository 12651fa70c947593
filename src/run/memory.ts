// The memory of a run: one SharedArrayBuffer per named memory, which cannot be detached or shrunk while a native thread
// works in it. Knows nothing of programs beyond names and bytes.
import type { DType, NumberArray } from "../dtype.ts";
import { bytesPerElement, viewOf } from "../dtype.ts";
import { internal, MinibatchError } from "../errors.ts";
import { alignment } from "../graph/layout.ts";
import type { ValueType } from "../ops/define.ts";
import { sizeOf } from "../shape.ts";

/** The address of a view modulo 64, where native code can tell it; JavaScript cannot. */
type AddressOf = (bytes: Uint8Array) => number;

let addressOf: AddressOf = () => 0;

/** Native code tells addresses once it is loaded; until then memory may start anywhere. */
export function tellAddresses(f: AddressOf): void {
  addressOf = f;
}

/** Zeroed shared bytes that start on a 64-byte boundary (where addresses can be told). */
export function allocate(bytes: number): Uint8Array {
  let buffer: SharedArrayBuffer;
  try {
    buffer = new SharedArrayBuffer(bytes + alignment);
  } catch (error) {
    throw new MinibatchError(
      `memory: ${(bytes / 2 ** 20).toFixed(0)} MB could not be allocated; a smaller batch or model needs less`,
      "OPTION",
      { cause: error },
    );
  }
  const start = (alignment - addressOf(new Uint8Array(buffer, 0, 1))) % alignment;
  return new Uint8Array(buffer, start, bytes);
}

/** A typed view into some bytes. */
export function view(bytes: Uint8Array, dtype: DType, byteOffset: number, length: number): NumberArray {
  if (byteOffset + length * bytesPerElement[dtype] > bytes.byteLength)
    throw internal(`a view ends at byte ${byteOffset + length * bytesPerElement[dtype]} of ${bytes.byteLength}`);
  return viewOf(dtype, bytes.buffer, bytes.byteOffset + byteOffset, length);
}

/** The named memories that the programs of one run share. */
export class Memory {
  readonly #bytes = new Map<string, Uint8Array>();
  #version = 0;

  /** Grows whenever a name stands for other bytes than before: views made earlier are stale then. */
  get version(): number {
    return this.#version;
  }

  /** Uses bytes that exist already: a model's parameters, a data set. */
  share(name: string, bytes: Uint8Array): void {
    if (this.#bytes.get(name) === bytes) return;
    this.#bytes.set(name, bytes);
    this.#version++;
  }

  /** At least this many bytes; what was there is kept when it is large enough and dropped when it is not. */
  ensure(name: string, bytes: number): Uint8Array {
    const present = this.#bytes.get(name);
    if (present && present.byteLength >= bytes) return present;
    const made = allocate(bytes);
    this.share(name, made);
    return made;
  }

  get(name: string): Uint8Array {
    const bytes = this.#bytes.get(name);
    if (!bytes) throw internal(`no memory named ${name}`);
    return bytes;
  }

  has(name: string): boolean {
    return this.#bytes.has(name);
  }

  view(name: string, type: ValueType, byteOffset: number): NumberArray {
    return view(this.get(name), type.dtype, byteOffset, sizeOf(type.shape));
  }
}
