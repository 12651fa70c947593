// Protocol Buffers' wire format: reading a message's fields, and writing a few for tests.
// Knows no message type; onnx/model.ts says which field number means what.

/** One occurrence of a field: a whole number (wire type 0), 4 or 8 bytes (5, 1), or bytes with a length (2). */
interface Field {
  readonly wire: number;
  readonly whole: bigint;
  readonly bytes: Uint8Array;
}

const nothing = new Uint8Array(0);

/** A varint: seven bits a byte, least significant first. Returns the value and where it ends. */
function varint(bytes: Uint8Array, start: number): [value: bigint, end: number] {
  let value = 0n;
  for (let i = start, shift = 0n; i < bytes.length && shift < 70n; i++, shift += 7n) {
    const byte = bytes[i] as number;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return [BigInt.asUintN(64, value), i + 1];
  }
  throw new Error(`wire: a varint must end within ten bytes and within its message, got one that starts at byte ${start}`);
}

function take(bytes: Uint8Array, start: number, length: number): Uint8Array {
  if (start + length > bytes.length)
    throw new Error(`wire: a field of ${length} bytes at byte ${start} goes past the message's end (${bytes.length})`);
  return bytes.subarray(start, start + length);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The fields of one message, by number. A repeated field keeps its order; of a single one the last counts. */
export class Message {
  readonly #fields = new Map<number, Field[]>();

  constructor(bytes: Uint8Array) {
    for (let at = 0; at < bytes.length; ) {
      const [key, afterKey] = varint(bytes, at);
      const number = Number(key >> 3n);
      const wire = Number(key & 7n);
      let field: Field;
      if (wire === 0) {
        const [whole, end] = varint(bytes, afterKey);
        field = { wire, whole, bytes: nothing };
        at = end;
      } else if (wire === 1 || wire === 5) {
        const size = wire === 1 ? 8 : 4;
        field = { wire, whole: 0n, bytes: take(bytes, afterKey, size) };
        at = afterKey + size;
      } else if (wire === 2) {
        const [length, start] = varint(bytes, afterKey);
        field = { wire, whole: 0n, bytes: take(bytes, start, Number(length)) };
        at = start + Number(length);
      } else {
        throw new Error(`wire: wire types are 0, 1, 2 and 5, got ${wire} (field ${number} at byte ${at})`);
      }
      const before = this.#fields.get(number);
      if (before) before.push(field);
      else this.#fields.set(number, [field]);
    }
  }

  #all(number: number): readonly Field[] {
    return this.#fields.get(number) ?? [];
  }

  has(number: number): boolean {
    return this.#fields.has(number);
  }

  /** A signed whole number (int32, int64, enum), 0 when absent. Beyond 2^53 it is rounded. */
  whole(number: number): number {
    const field = this.#all(number).at(-1);
    return field ? Number(BigInt.asIntN(64, field.whole)) : 0;
  }

  /** Repeated whole numbers, packed or not. */
  wholes(number: number): number[] {
    const out: number[] = [];
    for (const field of this.#all(number)) {
      if (field.wire === 0) out.push(Number(BigInt.asIntN(64, field.whole)));
      for (let at = 0; at < field.bytes.length; ) {
        const [value, end] = varint(field.bytes, at);
        out.push(Number(BigInt.asIntN(64, value)));
        at = end;
      }
    }
    return out;
  }

  /** Repeated float (size 4) or double (size 8), packed or not. */
  reals(number: number, size: 4 | 8): number[] {
    const out: number[] = [];
    for (const { bytes } of this.#all(number)) {
      const view = viewOf(bytes);
      for (let at = 0; at + size <= bytes.length; at += size) out.push(size === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true));
    }
    return out;
  }

  bytes(number: number): Uint8Array {
    return this.#all(number).at(-1)?.bytes ?? nothing;
  }

  text(number: number): string {
    return new TextDecoder().decode(this.bytes(number));
  }

  texts(number: number): string[] {
    return this.#all(number).map((field) => new TextDecoder().decode(field.bytes));
  }

  message(number: number): Message | undefined {
    const field = this.#all(number).at(-1);
    return field && new Message(field.bytes);
  }

  messages(number: number): Message[] {
    return this.#all(number).map((field) => new Message(field.bytes));
  }
}

// ---------------------------------------------------------------- writing

function encodeVarint(value: number | bigint): number[] {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    out.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return out;
}

/** What a field can hold when written: a whole number, text, bytes (a message too) or a float. */
export type Written = number | bigint | string | Uint8Array | { readonly float: number };

/** A message from its fields, in the given order. */
export function encode(fields: readonly (readonly [number: number, value: Written])[]): Uint8Array {
  const out: number[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "number" || typeof value === "bigint") {
      out.push(...encodeVarint(number * 8), ...encodeVarint(value));
    } else if (typeof value === "object" && "float" in value) {
      out.push(...encodeVarint(number * 8 + 5), ...new Uint8Array(Float32Array.of(value.float).buffer));
    } else {
      const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
      out.push(...encodeVarint(number * 8 + 2), ...encodeVarint(bytes.length), ...bytes);
    }
  }
  return Uint8Array.from(out);
}
