/**
 * What is known of the times of a run's output, and how output is cut for its readers. Pure.
 *
 * A program writes straight into two append-only files, so nobody sees a line being written. What
 * can be seen is how long a file was at an instant: the index is a file of such records. A byte was
 * written between the last record that did not have it and the first that had; the latter's
 * instant is given as its time. Records have one size and a checksum, so a torn one is passed over.
 *
 *   byte 0        0xA0 stdout, 0xA1 stderr
 *   bytes 1..7    µs since 1970, big-endian
 *   byte 8        exclusive or of the other fifteen
 *   bytes 9..15   length of the stream's file then, big-endian
 */

export type Stream = 'stdout' | 'stderr';

export const streams: readonly Stream[] = ['stdout', 'stderr'];

export interface IndexRecord {
  readonly stream: Stream;
  readonly atUs: number;
  readonly sizeBytes: number;
}

/** Output in the order of its time: whole lines, but for one too long or still without its end. */
export interface LogChunk {
  readonly stream: Stream;
  readonly atUs: number;
  readonly data: Uint8Array;
  /** Where `data` begins in the stream, counted from the run's first byte. */
  readonly offset: number;
}

export const RECORD_BYTES = 16;

export function encodeRecord(record: IndexRecord): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  // Each number's own first byte is overwritten afterwards: seven bytes are left of eight.
  view.setBigUint64(8, BigInt(record.sizeBytes));
  view.setBigUint64(0, BigInt(record.atUs));
  bytes[0] = record.stream === 'stdout' ? 0xa0 : 0xa1;
  bytes[8] = 0;
  bytes[8] = parity(bytes, 0);
  return bytes;
}

/** The records of an index file, in order; what is damaged or cut off is left out. */
export function decodeRecords(bytes: Uint8Array): IndexRecord[] {
  const records: IndexRecord[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const kind = bytes[at];
    if ((kind !== 0xa0 && kind !== 0xa1) || parity(bytes, at) !== 0) continue;
    records.push({
      stream: kind === 0xa0 ? 'stdout' : 'stderr',
      atUs: (view.getUint32(at) & 0xff_ffff) * 2 ** 32 + view.getUint32(at + 4),
      sizeBytes: (view.getUint32(at + 8) & 0xff_ffff) * 2 ** 32 + view.getUint32(at + 12),
    });
  }
  return records;
}

function parity(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + RECORD_BYTES; i += 1) value ^= bytes[i] ?? 0;
  return value;
}

/**
 * A shorter index: the newest quarter as it is, of the older every second record of each stream.
 * Done again and again, times grow coarser with age, and the file stays within its bound.
 */
export function thinRecords(records: readonly IndexRecord[]): IndexRecord[] {
  const recent = Math.floor(records.length * 0.75);
  const seen = { stdout: 0, stderr: 0 };
  return records.filter((record, index) => {
    seen[record.stream] += 1;
    return index >= recent || seen[record.stream] % 2 === 0;
  });
}

/** Times of one stream. Lengths and instants never fall; a record that breaks this is adjusted. */
export class StreamTimes {
  readonly #atUs: number[] = [];
  readonly #sizes: number[] = [];

  add(atUs: number, sizeBytes: number): void {
    const last = this.#sizes.length - 1;
    if (sizeBytes < (this.#sizes[last] ?? 0)) this.clear();
    if (sizeBytes === this.#sizes.at(-1)) return;
    this.#atUs.push(Math.max(atUs, this.#atUs.at(-1) ?? 0));
    this.#sizes.push(sizeBytes);
  }

  clear(): void {
    this.#atUs.length = 0;
    this.#sizes.length = 0;
  }

  /** The instant by which the byte before `end` was there, and how far that instant reaches. */
  at(end: number): { readonly atUs: number; readonly reachesTo: number } | undefined {
    const index = firstNotBelow(this.#sizes, end);
    const atUs = this.#atUs[index];
    const reachesTo = this.#sizes[index];
    return atUs === undefined || reachesTo === undefined ? undefined : { atUs, reachesTo };
  }

  /** All bytes before this offset were there before `sinceUs`. */
  offsetSince(sinceUs: number): number {
    return this.#sizes[firstNotBelow(this.#atUs, sinceUs) - 1] ?? 0;
  }
}

/** The first index whose value is `wanted` or more, in a list that never falls. */
function firstNotBelow(values: readonly number[], wanted: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const NEWLINE = 0x0a;

export interface CutOptions {
  /** For a line that ends at this length: to which length the same instant reaches. */
  readonly reach: (end: number) => number;
  readonly bytesMax: number;
  /** No more will come, or has come for long: what has no end is given without. */
  readonly isFinal: boolean;
}

/** How many of these bytes go out as one chunk: whole lines of one instant; 0: wait for more. */
export function cutLines(bytes: Uint8Array, options: CutOptions): number {
  const window = bytes.subarray(0, options.bytesMax);
  const first = window.indexOf(NEWLINE) + 1;
  if (first === 0) {
    if (bytes.length >= options.bytesMax) return options.bytesMax;
    return options.isFinal ? bytes.length : 0;
  }
  const reach = Math.max(first, Math.min(options.reach(first), window.length));
  return window.lastIndexOf(NEWLINE, reach - 1) + 1;
}

/** The rest after at most `count` lines, and how many lines ended before it. */
export function skipLines(
  bytes: Uint8Array,
  count: number,
): { readonly start: number; readonly skipped: number } {
  let start = 0;
  for (let skipped = 0; skipped < count; skipped += 1) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline < 0) return { start: bytes.length, skipped };
    start = newline + 1;
  }
  return { start, skipped: count };
}

/**
 * Where the last `wanted` lines of these bytes begin; `found` says how many there are when the
 * bytes do not hold as many. A newline at the very end ends the last line and begins none.
 */
export function lastLines(
  bytes: Uint8Array,
  wanted: number,
  isEnd: boolean,
): { readonly start: number; readonly found: number } {
  let found = 0;
  let at = bytes.length - (isEnd && bytes[bytes.length - 1] === NEWLINE ? 1 : 0);
  while (at > 0) {
    const newline = bytes.lastIndexOf(NEWLINE, at - 1);
    if (newline < 0) break;
    found += 1;
    if (found === wanted) return { start: newline + 1, found };
    at = newline;
  }
  return { start: 0, found };
}
