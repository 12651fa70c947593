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
 * The tile of C that is summed in registers: 8 sums, 4 + 2 factors and a product leave none of V8's 15 to memory. Of the tiles
 * from 2 x 2 to 6 x 2 this one was fastest, with two steps of k at a time (6.1 GFLOP/s; 2 x 4, which is usual, 5.4).
 */
const tileRows = 4;
const tileColumns = 2;

/**
 * Both matrices in the order in which a tile reads them, in double precision; kept, as every step needs them again. Plain
 * arrays, since V8 reads an array of doubles in fewer instructions than a typed array (6.1 against 5.1 GFLOP/s).
 */
const packedA: number[] = [];
const packedB: number[] = [];
const sums = new Float64Array(tileRows * tileColumns);

/** Filled with a number that is not whole, so that V8 keeps doubles from the first element on. */
function ensure(buffer: number[], length: number): number[] {
  while (buffer.length < length) buffer.push(0.5);
  return buffer;
}

/** Rows of A by fours: for each four the k columns one after the other. Missing last rows repeat the last; their sums are not stored. */
function packRows({ data, offset, rowStride, columnStride }: Matrix, m: number, k: number, to: number[]): void {
  let at = 0;
  for (let i = 0; i < m; i += tileRows) {
    let a = offset + i * rowStride;
    const second = Math.min(1, m - 1 - i) * rowStride;
    const third = Math.min(2, m - 1 - i) * rowStride;
    const fourth = Math.min(3, m - 1 - i) * rowStride;
    for (let p = 0; p < k; p++, a += columnStride, at += tileRows) {
      to[at] = data[a] as number;
      to[at + 1] = data[a + second] as number;
      to[at + 2] = data[a + third] as number;
      to[at + 3] = data[a + fourth] as number;
    }
    if (k % 2) for (const end = at + tileRows; at < end; at++) to[at] = 0;
  }
}

/** Columns of B by twos: for each pair the k rows one after the other. A missing last column repeats the last. */
function packColumns({ data, offset, rowStride, columnStride }: Matrix, k: number, n: number, to: number[]): void {
  let at = 0;
  for (let j = 0; j < n; j += tileColumns) {
    let b = offset + j * columnStride;
    const second = Math.min(1, n - 1 - j) * columnStride;
    for (let p = 0; p < k; p++, b += rowStride, at += tileColumns) {
      to[at] = data[b] as number;
      to[at + 1] = data[b + second] as number;
    }
    if (k % 2) for (const end = at + tileColumns; at < end; at++) to[at] = 0;
  }
}

/**
 * The sums of one tile over k, which is even. `| 0` tells V8 that indices stay 32-bit integers, which saves an overflow check
 * per access.
 */
function tile(a: readonly number[], aOffset: number, b: readonly number[], bOffset: number, k: number, out: Float64Array): void {
  let c00 = 0;
  let c01 = 0;
  let c10 = 0;
  let c11 = 0;
  let c20 = 0;
  let c21 = 0;
  let c30 = 0;
  let c31 = 0;
  let p = aOffset | 0;
  let q = bOffset | 0;
  const end = (p + tileRows * k) | 0;
  for (; p < end; p = (p + 8) | 0, q = (q + 4) | 0) {
    let a0 = a[p] as number;
    let a1 = a[(p + 1) | 0] as number;
    let a2 = a[(p + 2) | 0] as number;
    let a3 = a[(p + 3) | 0] as number;
    let b0 = b[q] as number;
    let b1 = b[(q + 1) | 0] as number;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c20 += a2 * b0;
    c21 += a2 * b1;
    c30 += a3 * b0;
    c31 += a3 * b1;
    a0 = a[(p + 4) | 0] as number;
    a1 = a[(p + 5) | 0] as number;
    a2 = a[(p + 6) | 0] as number;
    a3 = a[(p + 7) | 0] as number;
    b0 = b[(q + 2) | 0] as number;
    b1 = b[(q + 3) | 0] as number;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c20 += a2 * b0;
    c21 += a2 * b1;
    c30 += a3 * b0;
    c31 += a3 * b1;
  }
  out[0] = c00;
  out[1] = c01;
  out[2] = c10;
  out[3] = c11;
  out[4] = c20;
  out[5] = c21;
  out[6] = c30;
  out[7] = c31;
}

/** One row times B, as in the prediction of one sample: every weight is used once, so packing would cost more than the product. */
function multiplyRow(row: readonly number[], k: number, n: number, { data, offset, rowStride, columnStride }: Matrix, out: number[]): void {
  if (columnStride !== 1) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      let q = offset + j * columnStride;
      for (let p = 0; p < k; p++, q += rowStride) sum += (row[p] as number) * (data[q] as number);
      out[j] = sum;
    }
    return;
  }
  for (let j = 0; j < n; j++) out[j] = 0;
  let p = 0;
  for (; p + 4 <= k; p += 4) {
    const [a0, a1, a2, a3] = [row[p], row[p + 1], row[p + 2], row[p + 3]] as [number, number, number, number];
    let q = offset + p * rowStride;
    for (let j = 0; j < n; j++, q++) {
      const first = a0 * (data[q] as number) + a1 * (data[q + rowStride] as number);
      out[j] = (out[j] as number) + first + (a2 * (data[q + 2 * rowStride] as number) + a3 * (data[q + 3 * rowStride] as number));
    }
  }
  for (; p < k; p++) {
    for (let j = 0; j < n; j++) out[j] = (out[j] as number) + (row[p] as number) * (data[offset + p * rowStride + j] as number);
  }
}

/** So many numbers of A (512 KB, half a second cache) are multiplied with all of B before the next rows of A have their turn. */
const blockOfA = 65536;

/** C [m, n] row-major at `cOffset` = act(A [m, k] B [k, n] + bias). Sums are taken in double precision. */
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
    const row = ensure(packedA, k);
    for (let p = 0; p < k; p++) row[p] = a.data[a.offset + p * a.columnStride] as number;
    multiplyRow(row, k, n, b, ensure(packedB, n));
    for (let j = 0; j < n; j++) store(packedB[j] as number, 0, j);
    return;
  }
  const even = k + (k % 2);
  packRows(a, m, k, ensure(packedA, (m + tileRows - 1) * even));
  packColumns(b, k, n, ensure(packedB, (n + tileColumns - 1) * even));
  const rows = Math.max(tileRows, Math.floor(blockOfA / Math.max(1, even) / tileRows) * tileRows);
  for (let top = 0; top < m; top += rows) {
    const bottom = Math.min(m, top + rows);
    // Panels of B outside: one (12 KB at k = 784) stays in the first cache while the rows of A pass by.
    for (let j = 0; j < n; j += tileColumns) {
      const columns = Math.min(tileColumns, n - j);
      for (let i = top; i < bottom; i += tileRows) {
        tile(packedA, i * even, packedB, j * even, even, sums);
        for (let r = 0; r < tileRows && i + r < m; r++) {
          for (let s = 0; s < columns; s++) store(sums[r * tileColumns + s] as number, i + r, j + s);
        }
      }
    }
  }
}
