// Counts the bytes of every typed array and buffer that is made: replaces the constructors, so it must be imported before the
// library. Memory that Node itself takes (the bytes of a file that is read) is not counted.

let bytes = 0;

interface Sized {
  readonly length?: number;
  readonly BYTES_PER_ELEMENT?: number;
}

function counted<C extends new (...args: never[]) => object>(make: C): C {
  const width = (make as Sized).BYTES_PER_ELEMENT;
  return new Proxy(make, {
    construct(target, args: unknown[], self) {
      const [first] = args;
      if (typeof first === "number") bytes += first * (width ?? 1);
      else if (
        width !== undefined &&
        first !== null &&
        typeof first === "object" &&
        !(first instanceof RealBuffer || first instanceof RealShared)
      )
        bytes += ((first as Sized).length ?? 0) * width;
      return Reflect.construct(target, args, self === proxied.get(target) ? target : self) as object;
    },
  });
}

const RealBuffer = ArrayBuffer;
const RealShared = SharedArrayBuffer;
const proxied = new Map<unknown, unknown>();
const names = [
  "ArrayBuffer",
  "SharedArrayBuffer",
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
] as const;
for (const name of names) {
  const real = globalThis[name] as unknown as new (...args: never[]) => object;
  const proxy = counted(real);
  proxied.set(real, proxy);
  Object.defineProperty(globalThis, name, { value: proxy, writable: true, configurable: true });
}

/** What f gives, and the bytes of the arrays it made, those that it dropped included. */
export function bytesMadeBy<T>(f: () => T): { result: T; bytes: number } {
  bytes = 0;
  const result = f();
  return { result, bytes };
}
