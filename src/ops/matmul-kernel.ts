// Matrix product in plain TypeScript: C = act(A B + bias) with any strides, so that a transposed matrix is never copied out.
// Knows nothing of tensors: arrays, offsets, strides.
import type { NumberArray } from "../dtype.ts";

/** A matrix inside an array; element (i, j) is data[offset + i * rowStride + j * columnStride]. */
export interface Matrix {
  readonly data: NumberArray;
  readonly offset: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** What happens to a sum before it is rounded and stored. */
export interface Epilogue {
  /** One number per column. */
  readonly bias: NumberArray | undefined;
  readonly relu: boolean;
}

/**
 * The tile of C that is summed in registers. 16 vector registers hold 2 x 4 sums, 2 + 4 factors and two products; with more
 * sums V8 spills them to memory (3 x 4 and 4 x 4 measured no faster), and this one wastes the least on narrow matrices.
 */
const tileRows = 2;
const tileColumns = 4;

/** Panels of both matrices in the order in which a tile reads them, in double precision; kept, as every step needs them again. */
let packedA = new Float64Array(0);
let packedB = new Float64Array(0);
const sums = new Float64Array(tileRows * tileColumns);

function roomFor(buffer: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  return buffer.length >= length ? buffer : new Float64Array(length);
}

/** Rows of A by twos: for each pair the k columns one after the other. A missing last row is zeros. */
function packRows({ data, offset, rowStride, columnStride }: Matrix, m: number, k: number, to: Float64Array): void {
  let at = 0;
  for (let i = 0; i < m; i += tileRows) {
    let first = offset + i * rowStride;
    const second = i + 1 < m ? rowStride : 0;
    const keep = i + 1 < m ? 1 : 0;
    for (let p = 0; p < k; p++, first += columnStride, at += tileRows) {
      to[at] = data[first] as number;
      to[at + 1] = keep ? (data[first + second] as number) : 0;
    }
  }
}

/** Columns of B by fours: for each four the k rows one after the other. Missing last columns are zeros. */
function packColumns({ data, offset, rowStride, columnStride }: Matrix, k: number, n: number, to: Float64Array): void {
  let at = 0;
  let j = 0;
  for (; j + tileColumns <= n; j += tileColumns) {
    let b = offset + j * columnStride;
    for (let p = 0; p < k; p++, b += rowStride, at += tileColumns) {
      to[at] = data[b] as number;
      to[at + 1] = data[b + columnStride] as number;
      to[at + 2] = data[b + 2 * columnStride] as number;
      to[at + 3] = data[b + 3 * columnStride] as number;
    }
  }
  if (j === n) return;
  for (let p = 0; p < k; p++, at += tileColumns) {
    for (let c = 0; c < tileColumns; c++) to[at + c] = j + c < n ? (data[offset + p * rowStride + (j + c) * columnStride] as number) : 0;
  }
}

/**
 * The sums of one tile over k. `| 0` tells V8 that indices stay 32-bit integers, which saves an overflow check per access
 * (about 10 percent).
 */
function tile(a: Float64Array, aOffset: number, b: Float64Array, bOffset: number, k: number, out: Float64Array): void {
  let c00 = 0;
  let c01 = 0;
  let c02 = 0;
  let c03 = 0;
  let c10 = 0;
  let c11 = 0;
  let c12 = 0;
  let c13 = 0;
  let p = aOffset | 0;
  let q = bOffset | 0;
  const end = (p + tileRows * k) | 0;
  for (; p < end; p = (p + 2) | 0, q = (q + 4) | 0) {
    const a0 = a[p] as number;
    const a1 = a[(p + 1) | 0] as number;
    const b0 = b[q] as number;
    const b1 = b[(q + 1) | 0] as number;
    const b2 = b[(q + 2) | 0] as number;
    const b3 = b[(q + 3) | 0] as number;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
  }
  out[0] = c00;
  out[1] = c01;
  out[2] = c02;
  out[3] = c03;
  out[4] = c10;
  out[5] = c11;
  out[6] = c12;
  out[7] = c13;
}

/** One row of A, as in the prediction of one sample: every weight is used once, so packing would cost more than the product. */
function multiplyRow(k: number, n: number, a: Matrix, b: Matrix, out: Float64Array): void {
  if (b.columnStride === 1) {
    out.fill(0, 0, n);
    for (let p = 0; p < k; p++) {
      const factor = a.data[a.offset + p * a.columnStride] as number;
      let q = b.offset + p * b.rowStride;
      for (let j = 0; j < n; j++, q++) out[j] = (out[j] as number) + factor * (b.data[q] as number);
    }
    return;
  }
  for (let j = 0; j < n; j++) {
    let sum = 0;
    let q = b.offset + j * b.columnStride;
    for (let p = 0; p < k; p++, q += b.rowStride) sum += (a.data[a.offset + p * a.columnStride] as number) * (b.data[q] as number);
    out[j] = sum;
  }
}

/** C [m, n] row-major at `cOffset` = act(A [m, k] B [k, n] + bias). Sums are taken in double precision in the order of k. */
export function multiply(
  m: number,
  k: number,
  n: number,
  a: Matrix,
  b: Matrix,
  c: NumberArray,
  cOffset: number,
  { bias, relu }: Epilogue,
): void {
  const store = (value: number, i: number, j: number) => {
    const sum = bias ? value + (bias[j] as number) : value;
    c[cOffset + i * n + j] = relu && sum <= 0 ? 0 : sum;
  };
  if (m === 1) {
    packedA = roomFor(packedA, n);
    multiplyRow(k, n, a, b, packedA);
    for (let j = 0; j < n; j++) store(packedA[j] as number, 0, j);
    return;
  }
  packedA = roomFor(packedA, (m + tileRows - 1) * k);
  packedB = roomFor(packedB, (n + tileColumns - 1) * k);
  packRows(a, m, k, packedA);
  packColumns(b, k, n, packedB);
  // Panels of B outside: one (25 KB at k = 784) stays in the first cache while all rows of A pass by.
  for (let j = 0; j < n; j += tileColumns) {
    const columns = Math.min(tileColumns, n - j);
    for (let i = 0; i < m; i += tileRows) {
      tile(packedA, i * k, packedB, j * k, k, sums);
      for (let r = 0; r < tileRows && i + r < m; r++) {
        for (let s = 0; s < columns; s++) store(sums[r * tileColumns + s] as number, i + r, j + s);
      }
    }
  }
}
