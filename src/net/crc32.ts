/**
 * CRC-32 as zlib has it (RFC 1952 section 8). Short pieces, as most frames are, are summed here:
 * loading `node:zlib` takes a cold console longer than it waits for its answer. Long ones are
 * zlib's own work, which is loaded when the first one comes. Both give the same sum.
 */

/** From here on a call into zlib is the faster one, once it is loaded. */
const LONG_BYTES = 512;
const POLYNOMIAL = 0xedb88320;

/** By half a byte: sixteen entries are made in no time, and short pieces are short. */
const table = Int32Array.from({ length: 16 }, (_, nibble) => {
  let sum = nibble;
  for (let bit = 0; bit < 4; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? POLYNOMIAL : 0);
  return sum;
});

let long: ((bytes: Uint8Array, before: number) => number) | undefined;

/** The sum of what came before, if anything, and these bytes. */
export function crc32(bytes: Uint8Array, before = 0): number {
  if (bytes.length < LONG_BYTES) return short(bytes, before);
  // oxlint-disable-next-line no-restricted-globals -- a function without effects, loaded late
  long ??= process.getBuiltinModule('node:zlib').crc32;
  return long(bytes, before);
}

function short(bytes: Uint8Array, before: number): number {
  let sum = ~before;
  for (const byte of bytes) {
    sum ^= byte;
    sum = (sum >>> 4) ^ (table[sum & 15] ?? 0);
    sum = (sum >>> 4) ^ (table[sum & 15] ?? 0);
  }
  return ~sum >>> 0;
}
